//! What has to be known of a score to compute it again.

use std::fmt;

use serde::{Serialize, Serializer};

/// The version of sacrebleu whose scores and signatures these are.
pub(super) const SACREBLEU: &str = "2.6.0";

/// The settings behind a score, as sacrebleu writes them: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`.
///
/// The version is that of the sacrebleu whose numbers these are; the tests compare them.
///
/// # Source
///
/// Post (2018), "A Call for Clarity in Reporting BLEU Scores", <https://aclanthology.org/W18-6319>.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature(Vec<SignatureKey>);

/// One setting of a [`Signature`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SignatureKey {
    /// Its name, as `case`.
    pub name: &'static str,
    /// Its name in the short form, as `c`.
    pub short: &'static str,
    /// Its value, as `mixed`.
    pub value: String,
}

impl SignatureKey {
    /// A setting.
    pub fn new(name: &'static str, short: &'static str, value: impl Into<String>) -> Self {
        Self { name, short, value: value.into() }
    }

    /// A setting that is on or off.
    pub(super) fn flag(name: &'static str, short: &'static str, is_on: bool) -> Self {
        Self::new(name, short, if is_on { "yes" } else { "no" })
    }
}

impl Signature {
    /// Puts what a score depends on in sacrebleu's order: references, resampling, the metric's own settings, version.
    pub(super) fn new(
        references: String,
        resampling: Vec<SignatureKey>,
        metric: Vec<SignatureKey>,
    ) -> Self {
        let mut keys = vec![SignatureKey::new("nrefs", "#", references)];
        keys.extend(resampling);
        keys.extend(metric);
        keys.push(SignatureKey::new("version", "v", SACREBLEU));
        Self(keys)
    }

    /// The settings, in order.
    pub fn keys(&self) -> &[SignatureKey] {
        &self.0
    }

    /// The short form, `#:1|c:mixed|e:no|tok:13a|s:exp|v:2.6.0`.
    pub fn short(&self) -> String {
        self.join(|key| key.short)
    }

    fn join(&self, name: impl Fn(&SignatureKey) -> &'static str) -> String {
        let pairs = self.0.iter().map(|key| format!("{}:{}", name(key), key.value));
        pairs.collect::<Vec<_>>().join("|")
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.join(|key| key.name))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
