//! Where adapters may sit: the models' side of `isogloss-peft`.

use isogloss_peft::{AdapterHost, SiteMut};

use crate::{Encoder, MaskedLanguageModel, SequenceClassifier, TokenClassifier};

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

/// The sites of the encoder, under `encoder.`.
impl AdapterHost for MaskedLanguageModel {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        self.encoder.for_each_site(&mut |path, site| visit(&format!("encoder.{path}"), site));
    }
}

/// The sites of the encoder, under `encoder.`.
impl AdapterHost for SequenceClassifier {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        self.encoder.for_each_site(&mut |path, site| visit(&format!("encoder.{path}"), site));
    }
}

/// The sites of the encoder, under `encoder.`.
impl AdapterHost for TokenClassifier {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        self.encoder.for_each_site(&mut |path, site| visit(&format!("encoder.{path}"), site));
    }
}
