//! The SQL. Every write is one statement with absolute values, so doing it twice is the same as doing it once, and an
//! attempt whose answer was lost can be made again. A repeated write writes again even when nothing changes: only a
//! transaction that wrote waits for the synchronous standby, and an answer must not promise more than the standby has.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_postgres::Row;
use uuid::Uuid;

use super::input::{Change, NewTodo};
use super::todo::{Stored, Todo};
use crate::database::{Database, Failure, Link, Purpose};

const LIST: &str = r#"SELECT id, title, completed, "order", stamp FROM todo ORDER BY "order", position"#;

const REVISION: &str = "SELECT todo_revision()";

const FIND: &str = r#"SELECT id, title, completed, "order", stamp FROM todo WHERE id = $1"#;

/// Without an order the todo goes behind the last; `least` keeps the largest order from overflowing. `xmax` is 0 in a
/// row version that was inserted and never updated.
const INSERT: &str = r#"
    INSERT INTO todo (id, title, completed, "order")
    VALUES ($1, $2, $3, coalesce($4, (SELECT least(coalesce(max("order"), 0), 9223372036854775806) + 1 FROM todo)))
    ON CONFLICT (id) DO UPDATE SET title = todo.title
    RETURNING id, title, completed, "order", stamp, xmax = 0"#;

const UPDATE: &str = r#"
    UPDATE todo SET title = coalesce($2, title), completed = coalesce($3, completed), "order" = coalesce($4, "order")
    WHERE id = $1 AND ($5::bigint[] IS NULL OR stamp = ANY ($5))
    RETURNING id, title, completed, "order", stamp"#;

const DELETE: &str = "DELETE FROM todo WHERE id = $1 AND ($2::bigint[] IS NULL OR stamp = ANY ($2)) RETURNING id";

/// Rows are locked in the order of their ids, so that two of these at once cannot deadlock.
const COMPLETE_ALL: &str = "
    WITH verdict AS MATERIALIZED (SELECT $2::text[] IS NULL OR todo_revision() = ANY ($2) AS holds),
         others AS MATERIALIZED (
             SELECT id FROM todo WHERE completed <> $1 AND (SELECT holds FROM verdict) ORDER BY id FOR UPDATE),
         changed AS (UPDATE todo SET completed = $1 FROM others WHERE todo.id = others.id RETURNING todo.id)
    SELECT holds, (SELECT count(*) FROM changed) FROM verdict";

const DELETE_ALL: &str = "
    WITH verdict AS MATERIALIZED (SELECT $2::text[] IS NULL OR todo_revision() = ANY ($2) AS holds),
         others AS MATERIALIZED (
             SELECT id FROM todo WHERE (completed OR NOT $1) AND (SELECT holds FROM verdict) ORDER BY id FOR UPDATE),
         gone AS (DELETE FROM todo USING others WHERE todo.id = others.id RETURNING todo.id)
    SELECT holds, (SELECT count(*) FROM gone) FROM verdict";

/// Writes to the log and nowhere else.
const WRITE_NOTHING: &str = "SELECT pg_logical_emit_message(true, 'todomvc', '')::text";

/// What became of a write with a precondition.
#[derive(Debug)]
pub(crate) enum Written<T> {
    Done(T),
    Missing,
    PreconditionFailed,
}

/// What became of a new todo.
#[derive(Debug)]
pub(crate) enum Made {
    New(Stored),
    /// The id exists and says the same.
    Repeated(Stored),
    /// The id exists and says something else.
    Conflict,
}

/// The rows of the list, for `todo::list_json`.
pub(crate) async fn list(database: &Database, deadline: Instant) -> Result<Vec<Row>, Failure> {
    database.run(Purpose::Read, deadline, |link, _| async move { link.rows(LIST, &[]).await }).await
}

/// The list's revision, without the list.
pub(crate) async fn revision(database: &Database, deadline: Instant) -> Result<String, Failure> {
    database.run(Purpose::Read, deadline, |link, _| async move { revision_on(&link).await }).await
}

/// The list's revision, asked on one connection.
pub(crate) async fn revision_on(link: &Link) -> Result<String, tokio_postgres::Error> {
    link.one(REVISION, &[]).await?.try_get(0)
}

/// One todo.
pub(crate) async fn find(database: &Database, deadline: Instant, id: Uuid) -> Result<Option<Stored>, Failure> {
    database.run(Purpose::Read, deadline, |link, _| async move { find_on(&link, id).await }).await
}

/// Makes a todo, once for each id.
pub(crate) async fn insert(database: &Database, deadline: Instant, new: NewTodo) -> Result<Made, Failure> {
    let new = &new;
    let insert = |link: Arc<Link>, _| async move {
        let row = link.one(INSERT, &[&new.id, &new.title.as_str(), &new.completed, &new.order]).await?;
        let stored = Stored::from_row(&row)?;
        Ok(if row.try_get(5)? {
            Made::New(stored)
        } else if says(&stored.todo, Some(new.title.as_str()), Some(new.completed), new.order) {
            Made::Repeated(stored)
        } else {
            Made::Conflict
        })
    };
    database.run(Purpose::Write, deadline, insert).await
}

/// Gives some fields new values, when the stamp is one of those expected.
pub(crate) async fn update(
    database: &Database,
    deadline: Instant,
    id: Uuid,
    change: Change,
    expected: Option<Vec<i64>>,
) -> Result<Written<Stored>, Failure> {
    let (change, expected) = (&change, &expected);
    let update = |link: Arc<Link>, attempt| async move {
        let title = change.title.as_ref().map(super::title::Title::as_str);
        let changed = link.row(UPDATE, &[&id, &title, &change.completed, &change.order, expected]).await?;
        if let Some(row) = changed {
            return Stored::from_row(&row).map(Written::Done);
        }
        let Some(found) = find_on(&link, id).await? else { return Ok(Written::Missing) };
        // The stamp that an earlier attempt replaced is not there any more; what it wrote is.
        if attempt > 1 && says(&found.todo, title, change.completed, change.order) {
            link.one(WRITE_NOTHING, &[]).await?;
            return Ok(Written::Done(found));
        }
        Ok(Written::PreconditionFailed)
    };
    database.run(Purpose::Write, deadline, update).await
}

/// Deletes one todo, when its stamp is one of those expected.
pub(crate) async fn delete(
    database: &Database,
    deadline: Instant,
    id: Uuid,
    expected: Option<Vec<i64>>,
) -> Result<Written<()>, Failure> {
    let expected = &expected;
    let delete = |link: Arc<Link>, attempt| async move {
        if link.row(DELETE, &[&id, expected]).await?.is_some() {
            return Ok(Written::Done(()));
        }
        if find_on(&link, id).await?.is_some() {
            return Ok(Written::PreconditionFailed);
        }
        if attempt > 1 {
            link.one(WRITE_NOTHING, &[]).await?;
            return Ok(Written::Done(()));
        }
        Ok(Written::Missing)
    };
    database.run(Purpose::Write, deadline, delete).await
}

/// Sets `completed` of all todos, when the list's revision is one of those expected.
pub(crate) async fn complete_all(
    database: &Database,
    deadline: Instant,
    completed: bool,
    expected: Option<Vec<String>>,
) -> Result<Written<()>, Failure> {
    all(database, deadline, COMPLETE_ALL, completed, expected).await
}

/// Deletes all todos, or only the completed ones, when the list's revision is one of those expected.
pub(crate) async fn delete_all(
    database: &Database,
    deadline: Instant,
    only_completed: bool,
    expected: Option<Vec<String>>,
) -> Result<Written<()>, Failure> {
    all(database, deadline, DELETE_ALL, only_completed, expected).await
}

async fn all(
    database: &Database,
    deadline: Instant,
    sql: &'static str,
    flag: bool,
    expected: Option<Vec<String>>,
) -> Result<Written<()>, Failure> {
    let expected = &expected;
    let write = |link: Arc<Link>, attempt| async move {
        let row = link.one(sql, &[&flag, expected]).await?;
        if !row.try_get::<_, bool>(0)? {
            return Ok(Written::PreconditionFailed);
        }
        if attempt > 1 && row.try_get::<_, i64>(1)? == 0 {
            link.one(WRITE_NOTHING, &[]).await?;
        }
        Ok(Written::Done(()))
    };
    database.run(Purpose::Write, deadline, write).await
}

async fn find_on(link: &Link, id: Uuid) -> Result<Option<Stored>, tokio_postgres::Error> {
    link.row(FIND, &[&id]).await?.as_ref().map(Stored::from_row).transpose()
}

/// Whether a todo has these values, where one is given.
fn says(todo: &Todo, title: Option<&str>, completed: Option<bool>, order: Option<i64>) -> bool {
    title.is_none_or(|title| title == todo.title)
        && completed.is_none_or(|completed| completed == todo.completed)
        && order.is_none_or(|order| order == todo.order)
}
