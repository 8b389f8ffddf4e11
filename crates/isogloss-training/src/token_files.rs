//! Texts as ids in files that are mapped into memory, so that a corpus is encoded once and may be larger than memory.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::Pod;
use isogloss_core::{LanguageTag, WriteError};
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::{TokenizedTexts, TrainingError};

const VERSION: u32 = 1;
const ABOUT_FILE: &str = "texts.json";
const IDS_FILE: &str = "ids.u32";
const ENDS_FILE: &str = "ends.u64";

/// What the other two files hold.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct About {
    version: u32,
    language: LanguageTag,
    texts: u64,
    tokens: u64,
}

/// Numbers in memory, or of a file.
#[derive(Clone, Debug)]
pub(crate) enum Numbers<T> {
    Held(Vec<T>),
    Mapped(MappedNumbers<T>),
}

/// Numbers of a file, in the order of bytes of this machine.
#[derive(Clone, Debug)]
pub(crate) struct MappedNumbers<T> {
    file: Arc<Mmap>,
    numbers: PhantomData<T>,
}

impl<T: Pod> Numbers<T> {
    /// The numbers, to be changed: those of a file are copied first.
    pub(crate) fn to_mut(&mut self) -> &mut Vec<T> {
        if let Self::Mapped(_) = self {
            *self = Self::Held(self.to_vec());
        }
        match self {
            Self::Held(numbers) => numbers,
            Self::Mapped(_) => unreachable!("made numbers in memory above"),
        }
    }
}

impl<T: Pod> Deref for Numbers<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Held(numbers) => numbers,
            // A map begins at a page; its length was checked when it was opened.
            Self::Mapped(mapped) => bytemuck::try_cast_slice(&mapped.file).unwrap_or_default(),
        }
    }
}

impl<T: Pod + PartialEq> PartialEq for Numbers<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// Writes texts as ids into a directory, one after the other, so that none is held;
/// [`TokenizedTexts::open`] maps it.
///
/// The directory has `ids.u32`, all ids back to back, `ends.u64`, where each text ends among them after a first 0,
/// both in little-endian, and `texts.json`, which says how many there are of each and in which language. Inside
/// [`write_dir_atomically`](isogloss_core::write_dir_atomically) it is whole or not there.
///
/// # Examples
///
/// ```
/// use isogloss_training::{TokenizedTexts, TokenizedWriter};
///
/// let dir = tempfile::tempdir()?;
/// let mut writer = TokenizedWriter::create(dir.path(), "yo".parse()?)?;
/// writer.push(&[5, 6, 7])?;
/// writer.push(&[8])?;
/// writer.finish()?;
/// let texts = TokenizedTexts::open(dir.path())?;
/// assert_eq!((texts.len(), texts.get(1)), (2, Some(&[8][..])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TokenizedWriter {
    dir: PathBuf,
    about: About,
    ids: BufWriter<File>,
    ends: BufWriter<File>,
}

impl TokenizedWriter {
    /// Begins a directory.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Write`] where it cannot be made.
    pub fn create(dir: &Path, language: LanguageTag) -> Result<Self, TrainingError> {
        let fail = |source| WriteError::new(dir, "create", source);
        fs::create_dir_all(dir).map_err(fail)?;
        let file = |name| Ok(BufWriter::new(File::create(dir.join(name)).map_err(fail)?));
        let about = About { version: VERSION, language, texts: 0, tokens: 0 };
        let (ids, ends): (_, Result<_, WriteError>) = (file(IDS_FILE)?, file(ENDS_FILE));
        let mut this = Self { dir: dir.to_owned(), about, ids, ends: ends? };
        this.write_end()?;
        Ok(this)
    }

    /// Adds a text.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Write`], as where the disk is full.
    pub fn push(&mut self, ids: &[u32]) -> Result<(), TrainingError> {
        let bytes = ids.iter().try_for_each(|id| self.ids.write_all(&id.to_le_bytes()));
        bytes.map_err(|source| WriteError::new(&self.dir, "write", source))?;
        self.about.texts += 1;
        self.about.tokens += ids.len() as u64;
        self.write_end()
    }

    fn write_end(&mut self) -> Result<(), TrainingError> {
        let end = self.about.tokens.to_le_bytes();
        let written = self.ends.write_all(&end);
        Ok(written.map_err(|source| WriteError::new(&self.dir, "write", source))?)
    }

    /// Ends the directory; says how many texts it has.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Write`], as where the disk is full.
    pub fn finish(mut self) -> Result<u64, TrainingError> {
        let fail = |source| WriteError::new(&self.dir, "write", source);
        self.ids.flush().map_err(fail)?;
        self.ends.flush().map_err(fail)?;
        let json = serde_json::to_vec_pretty(&self.about).map_err(|error| fail(error.into()))?;
        fs::write(self.dir.join(ABOUT_FILE), json).map_err(fail)?;
        Ok(self.about.texts)
    }
}

/// What texts as ids were made of, as the name of the directory that they are kept in: other texts, another
/// vocabulary or another way of cutting them has another name.
///
/// # Examples
///
/// ```
/// use isogloss_training::ContentHash;
///
/// let hash = |parts: &[&str]| {
///     let mut hash = ContentHash::new();
///     parts.iter().for_each(|part| hash.push(part.as_bytes()));
///     hash.name()
/// };
/// assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
/// assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
/// ```
#[derive(Clone, Default)]
pub struct ContentHash(Xxh3);

impl ContentHash {
    /// That of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a part in: a text, a file, a setting. Where one ends and the next begins counts.
    pub fn push(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// 32 hexadecimal digits, the same on every platform.
    pub fn name(&self) -> String {
        format!("{:032x}", self.0.digest128())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContentHash").field(&self.name()).finish()
    }
}

impl TokenizedTexts {
    /// Maps a directory that a [`TokenizedWriter`] wrote: what is read stays on disk until it is, and the system
    /// gives its memory to others where there is need.
    ///
    /// The files must not be written to while the texts are in use, as with every mapped file.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Read`] where there is no such directory, [`TrainingError::TokenFile`] where it is not whole.
    pub fn open(dir: &Path) -> Result<Self, TrainingError> {
        let path = dir.join(ABOUT_FILE);
        let bytes =
            fs::read(&path).map_err(|source| TrainingError::Read { path: path.clone(), source })?;
        let about: About = serde_json::from_slice(&bytes).map_err(|error| {
            let fault = format!("{error}, expected what the files beside it hold");
            TrainingError::TokenFile { path: path.clone(), fault }
        })?;
        if about.version != VERSION {
            let fault = format!("`version` is {}, expected {VERSION}", about.version);
            return Err(TrainingError::TokenFile { path, fault });
        }
        let ids: Numbers<u32> = mapped(&dir.join(IDS_FILE), about.tokens, u32::from_le)?;
        let path = dir.join(ENDS_FILE);
        let ends: Numbers<u64> = mapped(&path, about.texts + 1, u64::from_le)?;
        let ascend = ends.is_sorted() && ends.first() == Some(&0);
        if !ascend || ends.last() != Some(&about.tokens) {
            let fault = format!("ends of texts, expected ascending from 0 to {}", about.tokens);
            return Err(TrainingError::TokenFile { path, fault });
        }
        Ok(Self::of_parts(about.language, ids, ends))
    }
}

/// The numbers of a file of so many.
fn mapped<T: Pod>(
    path: &Path,
    count: u64,
    from_le: fn(T) -> T,
) -> Result<Numbers<T>, TrainingError> {
    let read = |source| TrainingError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?.len();
    let expected = count.saturating_mul(size_of::<T>() as u64);
    if found != expected {
        let fault = format!("{found} bytes, expected {expected}");
        return Err(TrainingError::TokenFile { path: path.to_owned(), fault });
    }
    if found == 0 {
        return Ok(Numbers::Held(Vec::new()));
    }
    if cfg!(target_endian = "big") {
        let bytes = fs::read(path).map_err(read)?;
        let numbers = bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned);
        return Ok(Numbers::Held(numbers.map(from_le).collect()));
    }
    Ok(Numbers::Mapped(MappedNumbers {
        file: Arc::new(map(&file).map_err(read)?),
        numbers: PhantomData,
    }))
}

#[expect(unsafe_code, reason = "a mapped file changes when somebody writes to it")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: that nobody writes to the file is asked of the caller of `TokenizedTexts::open`; any bytes at all
    // are numbers, and every use of one as a place is checked where it is used.
    unsafe { Mmap::map(file) }
}
