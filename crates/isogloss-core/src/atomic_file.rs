//! Writing so that a reader finds the old content or the new, and never half of either.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::WriteError;

/// Writes a file through `write`, into a temporary file beside `path` that is then renamed.
///
/// Directories that are missing on the way are created. The content reaches the disk before the
/// name does.
///
/// # Errors
///
/// [`WriteError`], with the step that failed. The file that stood at `path` is then untouched and
/// the temporary one is gone.
pub fn write_file_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    let fail = |action| move |source| WriteError { path: path.to_owned(), action, source };
    let parent = parent_of(path);
    fs::create_dir_all(parent).map_err(fail("create"))?;
    let mut temporary = NamedTempFile::new_in(parent).map_err(fail("create"))?;
    let mut buffer = BufWriter::new(temporary.as_file_mut());
    write(&mut buffer).and_then(|()| buffer.flush()).map_err(fail("write"))?;
    drop(buffer);
    temporary.as_file().sync_all().map_err(fail("sync"))?;
    allow_reading(temporary.path(), 0o644).map_err(fail("write"))?;
    temporary.persist(path).map_err(|error| fail("rename")(error.error))?;
    sync_dir(parent).map_err(fail("sync"))
}

/// Fills a directory through `fill`, under a temporary name beside `path` that is then renamed.
///
/// A directory that already stood at `path` is replaced as a whole: it is moved aside first and
/// removed last, so between the two renames a crash leaves it whole under the name
/// `.NAME.replaced`.
///
/// # Errors
///
/// What `fill` returned, or a [`WriteError`] with the step that failed.
pub fn write_dir_atomically<E: From<WriteError>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let fail = |action| move |source| WriteError { path: path.to_owned(), action, source };
    let parent = parent_of(path);
    fs::create_dir_all(parent).map_err(fail("create"))?;
    let temporary =
        tempfile::Builder::new().prefix(".isogloss-").tempdir_in(parent).map_err(fail("create"))?;
    fill(temporary.path())?;
    sync_tree(temporary.path()).map_err(fail("sync"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = parent.join(format!(".{name}.replaced"));
    let replaces = path.exists();
    if replaces {
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(fail("create"))?;
        }
        fs::rename(path, &aside).map_err(fail("rename"))?;
    }
    fs::rename(temporary.keep(), path).map_err(fail("rename"))?;
    sync_dir(parent).map_err(fail("sync"))?;
    if replaces {
        fs::remove_dir_all(&aside).map_err(fail("rename"))?;
    }
    Ok(())
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Temporary files are private to their owner; the results of a run are not.
#[cfg_attr(not(unix), expect(unused_variables, reason = "modes are Unix's"))]
fn allow_reading(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    Ok(())
}

fn sync_tree(dir: &Path) -> io::Result<()> {
    allow_reading(dir, 0o755)?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { sync_tree(&path)? } else { File::open(&path)?.sync_all()? }
    }
    sync_dir(dir)
}

/// A rename is durable once its directory is; other systems than Unix cannot open one.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
