//! Transfer between languages: records of runs, and what they say together.

mod cost;
mod few_shot;
mod over_seeds;
mod read;
mod run;
mod table;

pub use cost::{Efficiency, Forgetting, efficiencies, forgetting};
pub use few_shot::{FewShotCurve, few_shot_curves};
pub use over_seeds::OverSeeds;
pub use read::read_runs;
pub use run::{Run, Setting, check_runs};
pub use table::{TransferTable, transfer_tables};

pub(crate) use run::Condition;
