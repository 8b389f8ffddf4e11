//! Runs in which layers are computed again come to where the others do.

use burn::module::{Module as _, ParamGroup};
use isogloss_core::Seed;
use isogloss_testing::device;
use isogloss_training::{
    LearningRateConfig, MlmBatches, ObjectiveTask, StopFlag, Task, Trainer, TrainingConfig,
};
use isogloss_transformer::{MaskedLanguageModel, MlmObjective};

use crate::batches::{framing, mlm, packed};
use crate::regression::{bits, turn};

/// The parameters after some steps.
fn trained(batches: MlmBatches, recompute: bool, frozen: Option<&str>) -> Vec<f32> {
    let device = device().autodiff();
    let encoder = framing().encoder.with_dropout(0.0).with_n_layers(3);
    let mut model = MaskedLanguageModel::try_init(&encoder, &device, Seed::new(4)).unwrap();
    if let Some(frozen) = frozen {
        model = model.freeze_group(ParamGroup::from_regex(frozen).unwrap());
    }
    let config = TrainingConfig::new(8)
        .with_learning_rate(LearningRateConfig::new(1e-2))
        .with_accumulation(2)
        .with_recompute_layers(recompute);
    let task: Box<dyn Task<MaskedLanguageModel>> =
        Box::new(ObjectiveTask::new("mlm", MlmObjective, batches));
    let trainer = Trainer::try_new(config, model, vec![(task, 1.0)], &device).unwrap();
    let run = trainer.run(&StopFlag::new(), &()).unwrap();
    bits(&run.model).into_iter().map(f32::from_bits).collect()
}

#[test]
fn a_run_comes_to_the_same_parameters() {
    let _turn = turn();
    // Of the first the embedding is trained as a whole, of the last nothing below the second layer.
    for (batches, frozen) in
        [(mlm(0.15), None), (packed(96), None), (mlm(0.15), Some(r"embeddings\.|layers\.0\."))]
    {
        let kept = trained(batches.clone(), false, frozen);
        let recomputed = trained(batches, true, frozen);
        let difference =
            kept.iter().zip(&recomputed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-4 * isogloss_testing::slack(), "{difference}");
    }
}
