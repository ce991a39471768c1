//! One connection to the database, shared by requests: statements are prepared once, and what several requests send at
//! the same time goes down the connection together (tokio-postgres pipelines).

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::poll_fn as stream_of;
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, NoTls, Row, Statement};

use super::failure::Attempt;
use crate::config::DatabaseConfig;

/// Parameters as the driver takes them.
pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// An open connection and its prepared statements.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Link {
    /// Connects, within the configuration's bound. The task that moves the bytes ends when the link is dropped.
    pub(super) async fn open(config: &DatabaseConfig, statement_timeout: Duration) -> Result<Self, Attempt> {
        let target = config.target(statement_timeout)?;
        let (client, mut connection) = bounded(config.connect_bound(), target.connect(NoTls)).await?;
        tokio::spawn(async move {
            // The error, if any, reaches whoever waits for an answer; here there is nobody to tell.
            while let Some(Ok(_)) = poll_fn(|context| connection.poll_message(context)).await {}
        });
        Ok(Self { client, statements: Mutex::default() })
    }

    /// Connects and hands every notification to the channel, which closes when the connection does.
    pub(super) async fn open_listening(
        config: &DatabaseConfig,
        statement_timeout: Duration,
    ) -> Result<(Self, mpsc::UnboundedReceiver<String>), Attempt> {
        let target = config.target(statement_timeout)?;
        let (client, mut connection) = bounded(config.connect_bound(), target.connect(NoTls)).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            use futures_util::StreamExt;
            let mut messages = stream_of(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message
                    && sender.send(notification.payload().to_owned()).is_err()
                {
                    break;
                }
            }
        });
        Ok((Self { client, statements: Mutex::default() }, receiver))
    }

    /// All rows of a statement.
    pub(crate) async fn rows(
        &self,
        sql: &'static str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared(sql).await?;
        self.client.query(&statement, parameters).await
    }

    /// The one row of a statement, if there is one.
    pub(crate) async fn row(
        &self,
        sql: &'static str,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, tokio_postgres::Error> {
        let statement = self.prepared(sql).await?;
        self.client.query_opt(&statement, parameters).await
    }

    /// The one row of a statement that always has one.
    pub(crate) async fn one(
        &self,
        sql: &'static str,
        parameters: Parameters<'_>,
    ) -> Result<Row, tokio_postgres::Error> {
        let statement = self.prepared(sql).await?;
        self.client.query_one(&statement, parameters).await
    }

    /// Statements without parameters and answers.
    pub(crate) async fn command(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn prepared(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        // Two requests may prepare the same statement at the same time; the second answer replaces the first.
        let statement = self.client.prepare(sql).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        Ok(statement)
    }
}

/// Waits for a connection no longer than the bound.
async fn bounded<T>(
    bound: Duration,
    connecting: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Attempt> {
    match tokio::time::timeout(bound, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(Attempt::Lost(format!("no connection within {} ms", bound.as_millis()))),
    }
}
