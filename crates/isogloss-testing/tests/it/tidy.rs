//! The parts of the house style that a machine can check and a lint does not.

use std::fs;

use crate::workspace::{Member, children, file_name, from_root, members, read, root, rust_files};

/// What may stand in a crate's `tests/`; proptest keeps its counterexamples in the last.
const TEST_DIRS: [&str; 3] = ["it", "fixtures", "proptest-regressions"];

/// Names that say where code was put, not what it is.
const NAMELESS: [&str; 5] = ["common", "helpers", "misc", "prelude", "utils"];

fn faults(check: impl Fn(&Member, &mut Vec<String>)) {
    let mut faults = Vec::new();
    for member in members() {
        check(&member, &mut faults);
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_crate_has_the_same_frame() {
    faults(|member, faults| {
        for line in ["bench = false", "[lints]\nworkspace = true", "edition.workspace = true"] {
            if !member.manifest.contains(line) {
                faults.push(format!("{}/Cargo.toml: lacks `{line}`", member.name));
            }
        }
        let lib = fs::read_to_string(member.dir.join("src/lib.rs")).unwrap_or_default();
        if !lib.starts_with("#![doc = include_str!(\"../README.md\")]") {
            faults.push(format!("{}/src/lib.rs: does not open with the README", member.name));
        }
    });
}

#[test]
fn every_module_says_what_it_is_and_has_a_name() {
    faults(|member, faults| {
        for path in rust_files(&member.dir) {
            let stem = file_name(&path).trim_end_matches(".rs").to_owned();
            let opens_with_doc = fs::read_to_string(&path)
                .is_ok_and(|text| text.starts_with("//!") || text.starts_with("#![doc"));
            if !opens_with_doc {
                faults.push(format!("{}: does not open with `//!`", from_root(&path)));
            }
            if NAMELESS.contains(&stem.as_str()) {
                faults.push(format!("{}: name it after what it holds", from_root(&path)));
            }
        }
    });
}

#[test]
fn every_crate_has_one_test_binary() {
    faults(|member, faults| {
        for path in children(&member.dir.join("tests")) {
            if !TEST_DIRS.contains(&file_name(&path)) {
                faults.push(format!("{}: belongs in one of {TEST_DIRS:?}", from_root(&path)));
            }
        }
    });
}

#[test]
fn nothing_is_left_for_later() {
    // Written in two halves, so that this file is not a fault of its own.
    let marks =
        [["to", "do!("].concat(), ["unimple", "mented!("].concat(), ["#[ig", "nore"].concat()];
    faults(|member, faults| {
        for path in rust_files(&member.dir) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            for mark in marks.iter().filter(|mark| text.contains(mark.as_str())) {
                faults.push(format!("{}: has `{mark}`", from_root(&path)));
            }
        }
    });
}

#[test]
fn core_stays_small() {
    let lines: usize = rust_files(&root().join("crates/isogloss-core/src"))
        .iter()
        .map(|path| read(path).lines().count())
        .sum();
    assert!(lines <= 500, "isogloss-core has {lines} lines, expected 500 at most");
}

#[test]
fn the_readmes_commands_are_the_ones_ci_runs() {
    let ci = read(".ci/run");
    let readme = read("README.md");
    let blocks = readme.split("```").skip(1).step_by(2);
    let shell = blocks.filter_map(|block| block.strip_prefix("sh\n"));
    let commands: Vec<&str> = shell.flat_map(str::lines).filter(|line| !line.is_empty()).collect();
    assert!(!commands.is_empty(), "README.md has no `sh` block");
    for command in commands {
        assert!(ci.contains(command), "README.md: `{command}` is not run by .ci/run");
    }
}
