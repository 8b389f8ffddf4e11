//! Files and directories that are old or new, and never half.

use std::{fs, io};

use isogloss_core::{Seed, write_dir_atomically, write_file_atomically};

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.txt");
    write_file_atomically(&path, |file| file.write_all(b"old")).unwrap();
    let failed = write_file_atomically(&path, |file| {
        file.write_all(b"half of the new")?;
        Err(io::Error::other("disk full"))
    });
    assert_eq!(failed.unwrap_err().to_string(), format!("cannot write {}", path.display()));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_directory_is_replaced_as_a_whole_or_not_at_all() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("model");
    for name in ["first", "second"] {
        write_dir_atomically(&path, |tmp| {
            write_file_atomically(&tmp.join(name), |file| file.write_all(b"whole"))
        })?;
    }
    let failed = write_dir_atomically(&path, |tmp| {
        write_file_atomically(&tmp.join("third"), |_| Err(io::Error::other("disk full")))
    });
    assert!(failed.is_err());
    let names: Result<Vec<_>, _> = fs::read_dir(&path)?.map(|e| e.map(|e| e.file_name())).collect();
    assert_eq!(names?, ["second"]);
    assert_eq!(fs::read_dir(dir.path())?.count(), 1);
    // The seed of a run is one of the things that are written down.
    assert_eq!(serde_json::to_string(&Seed::new(3))?, "3");
    Ok(())
}
