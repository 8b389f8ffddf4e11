//! What is done to a model at each step, beside the optimizer.

use std::path::Path;

use burn::optim::GradientsParams;

/// Something that is done to a model at each step, beside what the optimizer does.
///
/// [`RankAllocation`](isogloss_peft::RankAllocation) is one.
pub trait StepHook<M> {
    /// Looks at the gradients of a step, as the optimizer is given them.
    fn before(&mut self, _model: &M, _gradients: &GradientsParams) {}

    /// Changes the model after a step, counted from 1.
    fn after(&mut self, model: M, step: u64) -> M;

    /// Writes what it has to know into the directory of a checkpoint, in files of its own.
    ///
    /// # Errors
    ///
    /// A sentence that says what could not be written.
    fn save(&self, _dir: &Path) -> Result<(), String> {
        Ok(())
    }

    /// Reads that again, and makes the model what it was.
    ///
    /// # Errors
    ///
    /// A sentence that says what is not as it should be.
    fn load(&mut self, model: M, _dir: &Path) -> Result<M, String> {
        Ok(model)
    }
}
