//! What is wrong with the fields of a configuration, gathered.

use crate::error::ConfigFault;

/// Every fault that was found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) found: Vec<ConfigFault>,
}

impl Faults {
    pub(super) fn expect(
        &mut self,
        holds: bool,
        field: &'static str,
        found: &dyn ToString,
        expected: &'static str,
    ) {
        if !holds {
            self.found.push(ConfigFault { field, found: found.to_string(), expected });
        }
    }

    /// A field that is a share where it is set.
    pub(super) fn share(&mut self, field: &'static str, found: Option<f64>) {
        let found = found.unwrap_or_default();
        self.expect((0.0..=1.0).contains(&found), field, &found, "a share from 0 to 1");
    }

    /// A field that counts something of which there must be some.
    pub(super) fn at_least_one(&mut self, field: &'static str, found: usize) {
        self.expect(found > 0, field, &found, "1 or more");
    }

    /// A heuristic that asks an identifier.
    pub(super) fn identifier(&mut self, field: &'static str, is_there: bool) {
        self.expect(is_there, field, &"asked for", "an identifier for it");
    }
}
