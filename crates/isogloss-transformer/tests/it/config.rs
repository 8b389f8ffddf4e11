//! Configurations: what is refused, and in which words.

use burn::module::Module;
use isogloss_core::Seed;
use isogloss_transformer::{EncoderConfig, MaskedLanguageModel};

use crate::tiny::{self, values};

#[test]
fn every_fault_is_named_at_once() {
    let config = EncoderConfig::new(10)
        .with_d_model(6)
        .with_n_heads(4)
        .with_n_layers(0)
        .with_dropout(1.0)
        .with_attention_dropout(0.0)
        .with_pad_id(10);
    let error = config.try_init(&crate::device(), Seed::new(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "encoder configuration: `n_layers` is `0`, expected at least 1; `n_heads` is `4`, expected \
         a divisor of `d_model`, 6; `dropout` is `1`, expected at least 0 and less than 1; \
         `pad_id` is `10`, expected less than `vocab_size`, 10"
    );
}

#[test]
fn a_number_that_is_none_is_a_fault() {
    let config = tiny::config().with_layer_norm_eps(f64::NAN).with_initializer_std(0.0);
    let error = config.try_init(&crate::device(), Seed::new(1)).unwrap_err();
    let fields: Vec<_> = error.faults.iter().map(|fault| fault.field).collect();
    assert_eq!(fields, ["layer_norm_eps", "initializer_std"]);
}

#[test]
fn a_misspelt_field_is_an_error_that_names_it() {
    let json = serde_json::to_string(&tiny::config()).unwrap();
    assert_eq!(serde_json::from_str::<EncoderConfig>(&json).unwrap(), tiny::config());
    let misspelt = json.replace("\"dropout\"", "\"droput\"");
    let error = serde_json::from_str::<EncoderConfig>(&misspelt).unwrap_err().to_string();
    assert!(error.starts_with("unknown field `droput`, expected one of `vocab_size`"), "{error}");
}

#[test]
fn a_missing_field_is_an_error() {
    let json = serde_json::to_string(&tiny::config()).unwrap().replace("\"pad_id\":1,", "");
    let error = serde_json::from_str::<EncoderConfig>(&json).unwrap_err().to_string();
    assert!(error.starts_with("missing field `pad_id`"), "{error}");
}

#[test]
fn the_parameter_count_is_that_of_the_module() {
    for config in [tiny::config(), tiny::config().with_n_languages(3).with_n_layers(1)] {
        let encoder = config.try_init(&crate::device(), Seed::new(1)).unwrap();
        assert_eq!(config.parameter_count(), encoder.num_params());
    }
}

#[test]
fn equal_seeds_give_equal_weights_and_others_do_not() {
    let weights = |seed| {
        let model =
            MaskedLanguageModel::try_init(&tiny::config(), &crate::device(), Seed::new(seed));
        values(model.unwrap().into_encoder().word_embedding())
    };
    assert_eq!(weights(5), weights(5));
    assert_ne!(weights(5), weights(6));
}

#[test]
fn the_padding_row_is_zero_and_the_others_are_not() {
    let weights = values(tiny::model(&crate::device()).into_encoder().word_embedding());
    let is_zero: Vec<_> = weights.chunks(8).map(|row| row.iter().all(|&x| x == 0.0)).collect();
    assert_eq!(is_zero.iter().position(|&zero| zero), Some(1));
    assert_eq!(is_zero.iter().filter(|&&zero| zero).count(), 1);
}
