//! Where adapters may sit: the models' side of `isogloss-peft`.

use isogloss_peft::{AdapterHost, SiteMut};

use crate::{Encoder, MaskedLanguageModel, QuestionAnswerer, SequenceClassifier, TokenClassifier};

/// Sites are visited layer by layer. Their paths are those of the modules:
/// `layers.0.attention.query`, `.key`, `.value`, `.output`, `layers.0.up`, `layers.0.down`, and
/// `layers.0.adapter` after the feed-forward sub-layer.
impl AdapterHost for Encoder {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let attention = &mut layer.attention;
            let linear = [
                ("attention.query", &mut attention.query),
                ("attention.key", &mut attention.key),
                ("attention.value", &mut attention.value),
                ("attention.output", &mut attention.output),
                ("up", &mut layer.up),
                ("down", &mut layer.down),
            ];
            for (name, site) in linear {
                visit(&format!("layers.{index}.{name}"), SiteMut::Linear(site));
            }
            visit(&format!("layers.{index}.adapter"), SiteMut::Residual(&mut layer.adapter));
        }
    }
}

macro_rules! through_the_encoder {
    ($($model:ident),+) => {$(
        /// The sites of the encoder, under `encoder.`.
        impl AdapterHost for $model {
            fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
                let mut visit = |path: &str, site: SiteMut<'_>| {
                    visit(&format!("encoder.{path}"), site);
                };
                self.encoder.for_each_site(&mut visit);
            }
        }
    )+};
}

through_the_encoder!(MaskedLanguageModel, SequenceClassifier, TokenClassifier, QuestionAnswerer);
