#![doc = include_str!("../README.md")]

mod adapter_sites;
mod answers;
mod batch;
mod checkpoint;
mod classification;
mod config;
mod cross_entropy;
mod distillation;
mod encoder;
mod error;
mod hidden_states;
mod initialization;
mod layer;
mod masking;
mod mlm;
mod objective;
mod packing;
mod pooling;
mod pretrained;
mod pseudo_likelihood;
mod question_answering;
mod ranking;
mod recompute;
mod regression;
mod replaced_tokens;
mod sequence;
mod token_classification;
mod vocabulary;

pub use answers::{AnswerConfig, AnswerFinder, AnswerSpan, WindowAnswers, best_answer};
pub use batch::{DeviceBatch, EncoderBatch, PaddedRows};
pub use checkpoint::{Checkpoint, load_checkpoint, save_checkpoint};
pub use classification::{
    ClassificationBatch, ClassificationHead, ClassifierConfig, HeadShape, SequenceClassifier,
};
pub use config::{DropoutAfter, EncoderConfig, NormOrder};
pub use cross_entropy::{
    ClassificationObjective, CrossEntropyConfig, binary_cross_entropy, cross_entropy,
    decoder_cross_entropy,
};
pub use distillation::{DistillationBatch, DistillationConfig, DistillationObjective};
pub use encoder::{Embeddings, Encoder, HasEncoder, Pooler};
pub use error::{
    BatchError, CheckpointError, ConfigFault, EncoderConfigError, MaskingConfigError,
    ObjectiveConfigError, TensorFault, VocabularyRowsError,
};
pub use hidden_states::HiddenStates;
pub use isogloss_kernels::Quantization;
pub use isogloss_peft::Activation;
pub use layer::{EncoderLayer, SelfAttention};
pub use masking::{MaskedExample, Masking, MaskingConfig, MaskingUnit, MaskingVocabulary};
pub use mlm::{
    MaskedLanguageModel, MaskedSequence, MlmBatch, MlmConfig, MlmHead, MlmObjective, MlmScores,
};
pub use objective::{LossSum, LossValue, Objective};
pub use pooling::{Pooling, l2_normalize};
pub use pretrained::{
    AnyPretrained, Family, Logits, Pretrained, PretrainedHead, PretrainedModel, PretrainedOutput,
    SaveOptions, TensorNames, TensorPart, WeightType, head_modules, load_renamed, save_renamed,
    tensor_shapes,
};
pub use pseudo_likelihood::{
    MaskedCopy, PseudoLikelihood, PseudoLikelihoodConfig, SequenceScores, WordedSequence,
};
pub use question_answering::{
    AnsweredSequence, QuestionAnswerer, QuestionAnsweringBatch, QuestionAnsweringConfig,
    QuestionAnsweringObjective,
};
pub use ranking::{
    RankingBatch, RankingConfig, RankingObjective, ranking_loss_of_cosines,
    translation_ranking_loss,
};
pub use recompute::RecomputeTape;
pub use regression::{RegressionBatch, RegressionObjective};
pub use replaced_tokens::{
    ReplacedTokenConfig, ReplacedTokenHead, ReplacedTokenModel, ReplacedTokenObjective,
    ReplacedTokens,
};
pub use sequence::{FramedSequence, SequenceInput, SequenceLayout};
pub use token_classification::{
    LabelledTokens, TokenClassificationBatch, TokenClassifier, TokenClassifierConfig,
};
pub use vocabulary::{ExtendVocabulary, VocabularyRows};
