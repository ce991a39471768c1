//! A todo, and its JSON. The JSON is written by hand into one buffer, from the row itself, so that a list of ten
//! thousand costs no allocation per todo.

use std::io::Write;

use serde::Deserialize;
use tokio_postgres::Row;
use uuid::Uuid;

/// A todo, as in a notification and in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Todo {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) completed: bool,
    pub(crate) order: i64,
}

/// A todo as the database has it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) todo: Todo,
    /// A fingerprint of the content: the todo's ETag.
    pub(crate) stamp: i64,
}

impl Stored {
    /// Reads the columns `id, title, completed, "order", stamp`.
    pub(crate) fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let todo =
            Todo { id: row.try_get(0)?, title: row.try_get(1)?, completed: row.try_get(2)?, order: row.try_get(3)? };
        Ok(Self { todo, stamp: row.try_get(4)? })
    }

    /// The ETag, without quotation marks.
    pub(crate) fn tag(&self) -> String {
        format!("{:016x}", self.stamp)
    }
}

impl Todo {
    /// Appends the todo's JSON; its `url` starts with the base.
    pub(crate) fn write_json(&self, json: &mut Vec<u8>, base: &str) {
        write_json(json, base, self.id, &self.title, self.completed, self.order);
    }

    /// The todo's JSON.
    pub(crate) fn json(&self, base: &str) -> Vec<u8> {
        let mut json = Vec::with_capacity(256 + self.title.len());
        self.write_json(&mut json, base);
        json
    }
}

/// The list's JSON and its revision, from the rows of the list statement.
pub(crate) fn list_json(rows: &[Row], base: &str) -> Result<(Vec<u8>, String), tokio_postgres::Error> {
    let mut json = Vec::with_capacity(2 + rows.len() * (160 + base.len()));
    let mut stamps = 0;
    json.push(b'[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write_json(&mut json, base, row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        stamps ^= row.try_get::<_, i64>(4)?;
    }
    json.push(b']');
    // The same as the function `todo_revision` in the database.
    Ok((json, format!("{:x}-{stamps:x}", rows.len())))
}

fn write_json(json: &mut Vec<u8>, base: &str, id: Uuid, title: &str, completed: bool, order: i64) {
    // Writing to memory cannot fail. The base is made of URL characters only, so it needs no escaping.
    let _ = write!(json, r#"{{"id":"{id}","title":"#);
    let _ = serde_json::to_writer(&mut *json, title);
    let _ = write!(json, r#","completed":{completed},"order":{order},"url":"{base}/todos/{id}"}}"#);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_escaped_and_complete() {
        let todo = Todo { id: Uuid::nil(), title: "say \"hi\"\n\u{1}😀".into(), completed: true, order: -3 };
        let value: serde_json::Value = serde_json::from_slice(&todo.json("https://x.example")).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "id": Uuid::nil().to_string(), "title": todo.title, "completed": true, "order": -3,
                "url": format!("https://x.example/todos/{}", Uuid::nil()),
            })
        );
    }
}
