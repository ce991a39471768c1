//! What clients send: the fields of a new todo and of a change, checked. Fields that nobody knows are ignored, since
//! clients of this contract send back what they got, `url` included.

use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::title::{Title, TitleError};

/// Names for ids derived from an `Idempotency-Key`; any fixed UUID does.
const KEYS: Uuid = Uuid::from_u128(0x6f1c_7e0a_4c1e_4b52_9a2f_3d7b_0d5e_91c4);

/// Why a well-formed document cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error(transparent)]
    Title(#[from] TitleError),
    #[error("`id` is not a UUID like `6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4`")]
    Id,
}

/// The document of a POST.
#[derive(Debug, Deserialize)]
pub(crate) struct NewTodoDocument {
    title: String,
    #[serde(default)]
    completed: bool,
    #[serde(default, deserialize_with = "present")]
    order: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    id: Option<String>,
}

/// A todo to be made.
#[derive(Debug)]
pub(crate) struct NewTodo {
    pub(crate) id: Uuid,
    pub(crate) title: Title,
    pub(crate) completed: bool,
    /// Without it the todo goes to the end.
    pub(crate) order: Option<i64>,
}

impl NewTodoDocument {
    /// Checks the fields. The id is the client's own, or comes from its key, or is a new one: in the first two cases
    /// the same request sent twice makes one todo.
    pub(crate) fn checked(self, idempotency_key: Option<&[u8]>) -> Result<NewTodo, InputError> {
        let id = match (&self.id, idempotency_key) {
            (Some(text), _) => parse_id(text).ok_or(InputError::Id)?,
            (None, Some(key)) => Uuid::new_v5(&KEYS, key),
            (None, None) => Uuid::new_v4(),
        };
        Ok(NewTodo { id, title: Title::new(&self.title)?, completed: self.completed, order: self.order })
    }
}

/// The document of a PATCH of one todo.
#[derive(Debug, Deserialize)]
pub(crate) struct ChangeDocument {
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    completed: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    order: Option<i64>,
}

/// New values for some fields of a todo.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) title: Option<Title>,
    pub(crate) completed: Option<bool>,
    pub(crate) order: Option<i64>,
}

impl ChangeDocument {
    pub(crate) fn checked(self) -> Result<Change, InputError> {
        let title = self.title.as_deref().map(Title::new).transpose()?;
        Ok(Change { title, completed: self.completed, order: self.order })
    }
}

/// The document of a PATCH of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct ChangeAllDocument {
    pub(crate) completed: bool,
}

/// An id in its usual form only: one todo has one URL.
pub(crate) fn parse_id(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// A field may be left out, but `null` is a wrong type and not the same as leaving it out.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_todo(json: &str, key: Option<&[u8]>) -> NewTodo {
        serde_json::from_str::<NewTodoDocument>(json).unwrap().checked(key).unwrap()
    }

    #[test]
    fn a_key_always_gives_the_same_id_and_the_clients_id_wins() {
        let first = new_todo(r#"{"title":"a"}"#, Some(b"k1"));
        assert_eq!(first.id, new_todo(r#"{"title":"b"}"#, Some(b"k1")).id);
        assert_ne!(first.id, new_todo(r#"{"title":"a"}"#, Some(b"k2")).id);
        let own = new_todo(r#"{"title":"a","id":"6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4"}"#, Some(b"k1"));
        assert_eq!(own.id.to_string(), "6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4");
    }

    #[test]
    fn null_is_not_the_same_as_nothing() {
        assert!(serde_json::from_str::<ChangeDocument>(r#"{"title":null}"#).is_err());
        assert!(serde_json::from_str::<ChangeDocument>("{}").is_ok());
    }
}
