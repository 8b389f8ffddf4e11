//! Fields of a configuration that others wrote.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::AdapterError;

/// The fields of a configuration: each is taken once, and what is left is accounted for.
#[derive(Debug)]
pub(super) struct Fields {
    path: PathBuf,
    left: Map<String, Value>,
    patterns: Patterns,
}

/// The fields whose entries have an order: the first that matches a name holds.
#[derive(Debug, Default, Deserialize)]
struct Patterns {
    rank_pattern: Option<Ordered>,
    alpha_pattern: Option<Ordered>,
}

/// Numbers by pattern, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ordered(pub(super) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("values by pattern")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Fields {
    /// # Errors
    ///
    /// [`AdapterError::File`] where the text is no object of JSON.
    pub(super) fn new(path: &Path, text: &str) -> Result<Self, AdapterError> {
        let fault = |error: serde_json::Error| AdapterError::File {
            path: path.to_owned(),
            fault: format!("{error}, expected the configuration of an adapter"),
        };
        let left: Map<String, Value> = serde_json::from_str(text).map_err(fault)?;
        let patterns = serde_json::from_str(text).map_err(fault)?;
        Ok(Self { path: path.to_owned(), left, patterns })
    }

    pub(super) fn error(&self, field: &str, found: impl Display, expected: &str) -> AdapterError {
        let fault = format!("`{field}` is {found}, expected {expected}");
        AdapterError::File { path: self.path.clone(), fault }
    }

    /// The value of a field, unless it is absent or null.
    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.left.remove(field).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.left.contains_key(field)
    }

    /// The fields of an object that was one of these.
    pub(super) fn inner(&self, fields: Map<String, Value>) -> Self {
        Self { path: self.path.clone(), left: fields, patterns: Patterns::default() }
    }

    /// What has not been taken.
    pub(super) fn all(self) -> Map<String, Value> {
        self.left
    }

    pub(super) fn flag(&mut self, field: &str) -> Result<bool, AdapterError> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.error(field, other, "true or false")),
        }
    }

    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, AdapterError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.error(field, other, "a text")),
        }
    }

    pub(super) fn number(&mut self, field: &str, default: f64) -> Result<f64, AdapterError> {
        match self.take(field) {
            None => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| self.error(field, value, "a number")),
        }
    }

    pub(super) fn count(&mut self, field: &str, default: usize) -> Result<usize, AdapterError> {
        match self.take(field) {
            None => Ok(default),
            Some(value) => self.as_count(field, &value),
        }
    }

    pub(super) fn as_count(&self, field: &str, value: &Value) -> Result<usize, AdapterError> {
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| self.error(field, value, "a whole number of at least 0"))
    }

    /// One number, or a list of them.
    pub(super) fn counts(&mut self, field: &str) -> Result<Option<Vec<usize>>, AdapterError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                let counts = items.iter().map(|item| self.as_count(field, item));
                counts.collect::<Result<_, _>>().map(Some)
            }
            Some(value) => self.as_count(field, &value).map(|count| Some(vec![count])),
        }
    }

    /// One text, or a list of them; whether it was a list.
    pub(super) fn texts(
        &mut self,
        field: &str,
    ) -> Result<Option<(Vec<String>, bool)>, AdapterError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some((vec![text], false))),
            Some(Value::Array(items)) => {
                let texts = items.iter().map(|item| {
                    let text = item.as_str().map(str::to_owned);
                    text.ok_or_else(|| self.error(field, item, "texts"))
                });
                Ok(Some((texts.collect::<Result<_, _>>()?, true)))
            }
            Some(other) => Err(self.error(field, other, "a text or a list of texts")),
        }
    }

    /// Numbers by pattern, in their order.
    pub(super) fn alphas(&mut self) -> Result<Vec<(String, f64)>, AdapterError> {
        self.left.remove("alpha_pattern");
        let entries = self.patterns.alpha_pattern.take().unwrap_or_default().0.into_iter();
        let numbers = entries.map(|(key, value)| {
            let number = value.as_f64();
            Ok((key, number.ok_or_else(|| self.error("alpha_pattern", value, "numbers"))?))
        });
        numbers.collect()
    }

    /// Whole numbers by pattern, in their order.
    pub(super) fn ranks(&mut self) -> Result<Vec<(String, usize)>, AdapterError> {
        self.left.remove("rank_pattern");
        let entries = self.patterns.rank_pattern.take().unwrap_or_default().0.into_iter();
        entries.map(|(key, value)| Ok((key, self.as_count("rank_pattern", &value)?))).collect()
    }

    /// Lists of yes and no, by name.
    pub(super) fn flags_by_name(
        &mut self,
        field: &str,
    ) -> Result<Vec<(String, Vec<bool>)>, AdapterError> {
        self.patterns.rank_pattern = None;
        let Some(value) = self.take(field) else { return Ok(Vec::new()) };
        let fault = || self.error(field, "of another form", "lists of true and false by name");
        let entries = value.as_object().ok_or_else(fault)?.iter();
        let lists = entries.map(|(name, list)| {
            let flags = list.as_array().ok_or_else(fault)?.iter();
            let flags = flags.map(|flag| flag.as_bool().ok_or_else(fault));
            Ok((name.clone(), flags.collect::<Result<_, _>>()?))
        });
        lists.collect()
    }

    /// What nobody asked for: kept where it says nothing, refused where it would change what is computed.
    pub(super) fn rest(
        self,
        harmless: &[(&str, &str)],
    ) -> Result<Map<String, Value>, AdapterError> {
        for (field, value) in &self.left {
            let is_empty = match value {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(entries) => entries.is_empty(),
                Value::Number(number) => number.as_f64() == Some(0.0),
                Value::Bool(true) => false,
            };
            let value_text = value.to_string();
            let is_harmless = harmless.iter().any(|(name, allowed)| {
                name == field && (*allowed == "*" || value_text == *allowed)
            });
            if !is_empty && !is_harmless {
                return Err(self.error(field, value, "it absent: it is not supported here"));
            }
        }
        Ok(self.left)
    }
}
