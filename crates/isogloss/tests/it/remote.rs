//! Two processes that lend their devices train as one process does: `cargo test --release -p isogloss --features remote --test remote`.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use burn::module::{Module as _, ModuleVisitor, Param};
use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use burn::tensor::{Device, Tensor};
use isogloss::REMOTE_TOKEN;
use isogloss::core::{Seed, write_file_atomically};
use isogloss::training::{
    DrawnBatch, LearningRateConfig, StopFlag, Task, Trainer, TrainingConfig, TrainingError,
};
use isogloss::transformer::{
    EncoderConfig, LossSum, MaskedLanguageModel, MaskedSequence, MlmBatch, SequenceInput,
};

/// Where a lender writes its port.
const PORT_FILE: &str = "ISOGLOSS_TEST_PORT_FILE";

#[test]
fn lender() {
    // Not a test by itself: a process of the tests below.
    let Ok(file) = std::env::var(PORT_FILE) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    write_file_atomically(Path::new(&file), |out| out.write_all(port.as_bytes())).unwrap();
    let mut server = RemoteServer::new([Device::flex()]);
    if let Ok(token) = std::env::var(REMOTE_TOKEN) {
        server = server.with_authorizer(TokenAuthorizer::new(token.as_str()).unwrap());
    }
    server.serve(WebSocketTransport::from_listener(listener)).unwrap();
}

/// A process that lends its device, until it is dropped.
struct Lender {
    process: Child,
    name: String,
}

impl Lender {
    fn start(dir: &Path, token: Option<&str>) -> Self {
        let file = dir.join("port");
        let _ = fs::remove_file(&file);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "remote::lender"]).env(PORT_FILE, &file);
        // Burn tells of every tensor that goes over the line.
        command.env_remove(REMOTE_TOKEN).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(token) = token {
            command.env(REMOTE_TOKEN, token);
        }
        let process = command.spawn().unwrap();
        let begun = Instant::now();
        let port = loop {
            if let Ok(port) = fs::read_to_string(&file) {
                break port;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no lender after a minute");
            std::thread::sleep(Duration::from_millis(20));
        };
        Self { process, name: format!("remote:127.0.0.1:{port}") }
    }

    fn device(&self) -> Device {
        isogloss::device(&self.name).unwrap().autodiff()
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Batches of random ids.
struct Draws {
    encoder: EncoderConfig,
    drawn: u64,
}

struct Drawn(MlmBatch);

impl DrawnBatch<MaskedLanguageModel> for Drawn {
    fn loss(&self, model: &MaskedLanguageModel) -> LossSum {
        model.loss(&self.0)
    }
}

impl Task<MaskedLanguageModel> for Draws {
    fn name(&self) -> &'static str {
        "mlm"
    }

    fn next_batch(
        &mut self,
        device: &Device,
    ) -> Result<Box<dyn DrawnBatch<MaskedLanguageModel>>, TrainingError> {
        let seed = Seed::new(7).at(self.drawn);
        self.drawn += 1;
        let id = |place: u64| 5 + u32::try_from(seed.at(place).value() % 30).unwrap();
        let row = |row: u64| MaskedSequence {
            input: SequenceInput::new((0..7).map(|token| id(10 * row + token)).collect()),
            positions: vec![1, 4],
            labels: vec![id(10 * row + 7), id(10 * row + 8)],
        };
        let rows: Vec<MaskedSequence> = (0..2 + self.drawn % 3).map(row).collect();
        Ok(Box::new(Drawn(MlmBatch::try_new(&self.encoder, &rows, device).unwrap())))
    }

    fn state(&self) -> serde_json::Value {
        self.drawn.into()
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), String> {
        self.drawn = state.as_u64().ok_or("expected a number")?;
        Ok(())
    }
}

/// The losses of all steps, and the parameters after the last.
fn trained(devices: &[Device], dropout: f64) -> (Vec<f64>, Vec<f32>) {
    #[derive(Default)]
    struct Values(Vec<f32>);
    impl ModuleVisitor for Values {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f32>());
        }
    }
    let encoder = EncoderConfig::new(40)
        .with_d_model(16)
        .with_n_layers(2)
        .with_n_heads(2)
        .with_max_positions(16)
        .with_dropout(dropout);
    let model = MaskedLanguageModel::try_init(&encoder, &devices[0], Seed::new(1)).unwrap();
    let task: Box<dyn Task<MaskedLanguageModel>> = Box::new(Draws { encoder, drawn: 0 });
    let config = TrainingConfig::new(12)
        .with_learning_rate(LearningRateConfig::new(1e-2))
        .with_accumulation(2)
        .with_record_every(1);
    let trainer = Trainer::try_new(config, model, vec![(task, 1.0)], &devices[0]).unwrap();
    let trainer = trainer.with_devices(&devices[1..]).unwrap();
    let run = trainer.run(&StopFlag::new(), &()).unwrap();
    let mut values = Values::default();
    run.model.visit(&mut values);
    (run.history.iter().map(|record| record.loss).collect(), values.0)
}

fn assert_same(one: &(Vec<f64>, Vec<f32>), other: &(Vec<f64>, Vec<f32>)) {
    for (one, other) in one.0.iter().zip(&other.0) {
        assert!((one - other).abs() < 1e-5, "loss {one}, not {other}");
    }
    let apart = one.1.iter().zip(&other.1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-4, "parameters are {apart} apart");
}

#[test]
fn two_machines_train_as_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let lenders = [0, 1].map(|_| Lender::start(dir.path(), None));
    let devices = lenders.each_ref().map(Lender::device);
    let here = trained(&[Device::flex().autodiff()], 0.0);
    assert_eq!(here.0.len(), 12);
    assert_same(&here, &trained(&devices, 0.0));
    // With a device of this process as the run's own.
    assert_same(&here, &trained(&[Device::flex().autodiff(), devices[1].clone()], 0.0));
    // Dropout draws the same on each of two machines as on one.
    let one = trained(&devices[..1], 0.2);
    assert!(one.0 != here.0);
    assert_same(&one, &trained(&devices, 0.2));
}

#[test]
fn a_machine_that_is_gone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let lender = Lender::start(dir.path(), None);
    let gone = lender.name.clone();
    drop(lender);
    let fault = isogloss::device(&gone).unwrap_err().to_string();
    assert!(fault.starts_with(&format!("device `{gone}` cannot be opened")), "{fault}");
    for name in ["remote", "remote:"] {
        let fault = isogloss::device(name).unwrap_err().to_string();
        assert!(fault.contains("an address"), "{fault}");
    }
}

#[test]
fn who_has_not_the_token_does_not_compute() {
    let dir = tempfile::tempdir().unwrap();
    let lender = Lender::start(dir.path(), Some("a long secret"));
    let fault = isogloss::device(&lender.name).unwrap_err().to_string();
    assert!(fault.contains("cannot be opened"), "{fault}");
}
