//! Attention over bottlenecks, in the layout of `adapters`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use isogloss_core::{Seed, WriteError, write_dir_atomically, write_file_atomically};
use serde_json::json;

use super::fields::Fields;
use super::layout::Layout;
use super::read_text;
use super::tensors::{Stored, serialized};
use crate::active::train_only;
use crate::attach::base_tensors;
use crate::fusion::{Fusion, FusionConfig, attach_fusion, fused_name};
use crate::{AdapterError, AdapterHost, SiteMut};

const CONFIG_FILE: &str = "adapter_fusion_config.json";
const FILES: [&str; 2] = ["model_adapter_fusion.safetensors", "pytorch_model_adapter_fusion.bin"];

fn place(module: &str, name: &str) -> String {
    format!("{module}.adapter_fusion_layer.{name}")
}

pub(crate) fn save_fusion<H: AdapterHost + Module>(
    host: &H,
    adapters: &[&str],
    dir: &Path,
) -> Result<(), AdapterError> {
    let (base, name) = (base_tensors(host), fused_name(adapters));
    let (mut tensors, mut width, mut dropout) = (BTreeMap::new(), 0, 0.0);
    host.clone().for_each_site(&mut |path, site| {
        let SiteMut::Residual(site) = site else { return };
        let place = place(&base.module(path), &name);
        dropout = site.fusion(&name).map_or(dropout, Fusion::dropout);
        for (suffix, slot) in site.fusion_slots(&name) {
            tensors.insert(format!("{place}.{suffix}"), slot.read());
        }
        width = site.d_model();
    });
    if tensors.is_empty() {
        return Err(AdapterError::Nothing { what: "attention over these adapters" });
    }
    let has_value = tensors.keys().any(|name| name.ends_with(".value.weight"));
    let model = host.foreign_names().model;
    let config = json!({
        "adapter_names": adapters,
        "config": {
            "dropout_prob": dropout,
            "key": true,
            "query": true,
            "query_before_ln": false,
            "regularization": true,
            "residual_before": false,
            "temperature": false,
            "value": has_value,
            "value_before_softmax": true,
            "value_initialized": has_value,
        },
        "hidden_size": width,
        "model_class": model.class,
        "model_name": "",
        "model_type": model.kind,
        "name": name,
        "version": super::adapters_config::VERSION,
    });
    write_dir_atomically(dir, |tmp| {
        let fail = |name: &str| {
            let path = dir.join(name);
            move |source: io::Error| AdapterError::Write(WriteError::new(path, "write", source))
        };
        let text = serde_json::to_string_pretty(&config)
            .map_err(|error| fail(CONFIG_FILE)(error.into()))?;
        write_file_atomically(&tmp.join(CONFIG_FILE), |file| writeln!(file, "{text}"))?;
        let bytes = serialized(&tensors).map_err(fail(FILES[0]))?;
        write_file_atomically(&tmp.join(FILES[0]), |file| file.write_all(&bytes))?;
        Ok(())
    })
}

pub(crate) fn load_fusion<H: AdapterHost + Module>(
    host: H,
    adapters: &[&str],
    dir: &Path,
    device: &Device,
) -> Result<H, AdapterError> {
    let path = dir.join(CONFIG_FILE);
    let mut header = Fields::new(&path, &read_text(&path)?)?;
    let stored_name = header.text("name")?.unwrap_or_default();
    let count = stored_name.split(',').count();
    if count != adapters.len() {
        let expected = format!("{} adapters, as were given", adapters.len());
        return Err(header.error("name", format!("`{stored_name}`"), &expected));
    }
    let mut fields = match header.take("config") {
        Some(serde_json::Value::Object(config)) => header.inner(config),
        other => return Err(header.error("config", json!(other), "an object")),
    };
    let config =
        FusionConfig { value: fields.flag("value")?, dropout: fields.number("dropout_prob", 0.0)? };
    for needed in ["query", "key"] {
        if !fields.flag(needed)? {
            return Err(fields.error(needed, "false", "true: scores need both"));
        }
    }
    fields.rest(&[
        ("regularization", "true"),
        ("value_before_softmax", "*"),
        ("value_initialized", "*"),
    ])?;
    let (base, foreign) = (base_tensors(&host), host.foreign_names());
    let mut host = attach_fusion(host, adapters, &config, Seed::new(0), device)?;
    let layout = Layout::Adapters { name: String::new() };
    let mut stored = Stored::read(dir, &FILES, |name| layout.key(name, &foreign))?;
    let name = fused_name(adapters);
    host.for_each_site(&mut |path, site| {
        let SiteMut::Residual(site) = site else { return };
        let place = place(&base.module(path), &stored_name);
        for (suffix, slot) in site.fusion_slots(&name) {
            stored.fill(&layout.key(&format!("{place}.{suffix}"), &foreign), slot);
        }
    });
    stored.finish()?;
    train_only(host, &[])
}
