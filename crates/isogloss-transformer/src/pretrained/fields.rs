//! The fields of a `config.json` of transformers.

use isogloss_peft::Activation;
use serde_json::{Map, Value};

use super::family::ACTIVATIONS;
use crate::ConfigFault;

/// Reads fields and collects what is wrong with them.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    json: &'a Map<String, Value>,
    faults: &'a mut Vec<ConfigFault>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(json: &'a Map<String, Value>, faults: &'a mut Vec<ConfigFault>) -> Self {
        Self { json, faults }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.json.get(field).is_some_and(|value| !value.is_null())
    }

    pub(super) fn count(&mut self, field: &'static str, default: usize) -> usize {
        let read = |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok());
        self.value(field, default, "a whole number", read)
    }

    pub(super) fn id(&mut self, field: &'static str, default: u32) -> u32 {
        let read = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        self.value(field, default, "a whole number", read)
    }

    pub(super) fn number(&mut self, field: &'static str, default: f64) -> f64 {
        self.value(field, default, "a number", Value::as_f64)
    }

    pub(super) fn flag(&mut self, field: &'static str, default: bool) -> bool {
        self.value(field, default, "true or false", Value::as_bool)
    }

    pub(super) fn activation(&mut self, field: &'static str) -> Activation {
        let read = |value: &Value| {
            let name = value.as_str()?;
            ACTIVATIONS.into_iter().find(|(known, _)| *known == name).map(|(_, found)| found)
        };
        let known = ACTIVATIONS.map(|(name, _)| name).join(", ");
        self.value(field, Activation::Gelu, &format!("one of {known}"), read)
    }

    /// A flag of which only one value is known here, which is that of an absent one.
    pub(super) fn only_flag(&mut self, field: &'static str, expected: bool) {
        let found = self.flag(field, expected);
        self.check(found == expected, field, found, expected.to_string());
    }

    /// A text of which only one value is known here, which is that of an absent one.
    pub(super) fn only_text(&mut self, field: &'static str, expected: &str) {
        let read = |value: &Value| value.as_str().filter(|text| *text == expected).map(drop);
        self.value(field, (), expected, read);
    }

    pub(super) fn check(
        &mut self,
        holds: bool,
        field: &'static str,
        found: impl ToString + Copy,
        expected: impl Into<String>,
    ) {
        ConfigFault::check(self.faults, holds, field, found, expected);
    }

    fn value<T>(
        &mut self,
        field: &'static str,
        default: T,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let Some(value) = self.json.get(field).filter(|value| !value.is_null()) else {
            return default;
        };
        read(value).unwrap_or_else(|| {
            let found = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.faults.push(ConfigFault { field, found, expected: expected.to_owned() });
            default
        })
    }

    /// How many labels there are; 2 where nothing is said.
    pub(super) fn label_count(&mut self) -> usize {
        match self.json.get("id2label") {
            Some(Value::Object(labels)) => labels.len(),
            _ => self.count("num_labels", 2),
        }
    }
}
