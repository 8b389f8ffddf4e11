//! From a directory to a test set.

use std::path::{Path, PathBuf};

use isogloss_core::LanguageTag;

use super::files::{Found, find, meant, read_text};
use super::layouts::{Form, Prefix};
use super::set::{Split, TestItems, TestSet, TestSetWarning};
use super::{Benchmark, choices, classes, questions, tags, translations};
use crate::{EvaluationError, parse_conllu};

impl Benchmark {
    /// The languages of which a directory has a part, by the publisher's codes.
    ///
    /// MLQA has besides, for the codes `A` and `B`, questions in `B` about texts in `A` as `A-B`; FLORES has any pair.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`], and those of a file that names its languages inside.
    pub fn languages(self, dir: &Path, split: Split) -> Result<Vec<String>, EvaluationError> {
        Ok(self.found(dir, split)?.into_iter().map(|(found, _)| found.code).collect())
    }

    /// Every file of a part, once for each language in it, in the first layout that the directory has.
    fn found(self, dir: &Path, split: Split) -> Result<Vec<(Found, Form)>, EvaluationError> {
        if !dir.is_dir() {
            let source = std::io::ErrorKind::NotADirectory.into();
            return Err(EvaluationError::Read { path: dir.to_owned(), source });
        }
        for (pattern, form) in self.layouts(split) {
            let mut found = Vec::new();
            for file in find(dir, &pattern)? {
                let codes = match form {
                    Form::Xnli => classes::xnli_languages(&file.path)?,
                    Form::SquadOfAll => questions::languages(&file.path)?,
                    _ => vec![file.code.clone()],
                };
                found.extend(codes.into_iter().map(|code| (Found { code, ..file.clone() }, form)));
            }
            // A directory beside those of the languages, such as one of sources, is none of them.
            found.retain(|(file, _)| self.tag(&file.code).is_some());
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// Reads a part in a language from the directory that its publisher's archive or repository was unpacked to.
    ///
    /// The language is the publisher's code (`swh_Latn`, `yo_ytb`) or any tag of it (`sw`). A benchmark of two languages
    /// is read from English, or for Tatoeba into it, unless two codes are given, as `fra_Latn-yor_Latn`. TyDi QA's
    /// answers to the test set are not published: there, test is dev.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::TestSet`] where the directory lacks it, or the language may be several of its codes;
    /// [`EvaluationError::Read`] and [`EvaluationError::Line`] for a file that is not as it is published, or has no items.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// use isogloss_evaluation::{Benchmark, Split};
    ///
    /// let set = Benchmark::Sib200.read(Path::new("sib-200"), "yo", Split::Test)?;
    /// println!("{} texts of {}, {}", set.len(), set.code, Benchmark::Sib200.card().licence);
    /// for warning in &set.warnings {
    ///     println!("{warning}");
    /// }
    /// # Ok::<(), isogloss_evaluation::EvaluationError>(())
    /// ```
    pub fn read(
        self,
        dir: &Path,
        language: &str,
        split: Split,
    ) -> Result<TestSet, EvaluationError> {
        let found = self.found(dir, split)?;
        let meant = |asked: &str| -> Vec<&(Found, Form)> {
            let codes = found.iter().map(|(file, _)| file.code.as_str());
            let places = meant(codes, asked, |code| self.tag(code));
            places.into_iter().map(|place| &found[place]).collect()
        };
        let one = |asked: &str| match meant(asked)[..] {
            [one] => Ok(one),
            ref alike => Err(self.absent(dir, language, split, &found, alike)),
        };
        let pair = language.split_once('-').filter(|_| meant(language).is_empty());
        let (files, form, code) = match (self, pair) {
            (Self::Flores, Some((source, target))) => {
                let [(source, _), (target, form)] = [one(source)?, one(target)?];
                let code = format!("{}-{}", source.code, target.code);
                (vec![source.path.clone(), target.path.clone()], *form, code)
            }
            (Self::Mlqa, Some((context, question))) => {
                let [(context, form), (question, _)] = [one(context)?, one(question)?];
                let [of_text, of_question] = [&context.code, &question.code];
                let name = format!("{split}-context-{of_text}-question-{of_question}.json");
                let code = format!("{of_text}-{of_question}");
                (vec![context.path.with_file_name(name)], *form, code)
            }
            _ => {
                let (file, form) = one(language)?;
                let files = match form {
                    Form::Beside(extension) => {
                        vec![file.path.clone(), file.path.with_extension(extension)]
                    }
                    Form::Parallel | Form::ParallelJson => {
                        vec![one("en")?.0.path.clone(), file.path.clone()]
                    }
                    _ => vec![file.path.clone()],
                };
                (files, *form, file.code.clone())
            }
        };
        let of_text = match self {
            Self::Flores => code.rsplit('-').next(),
            Self::Mlqa => code.split('-').next(),
            _ => Some(code.as_str()),
        };
        let tag = of_text.and_then(|code| self.tag(code));
        let language = tag.ok_or_else(|| self.absent(dir, language, split, &found, &[]))?;
        self.read_files(files, form, code, language, split)
    }

    fn read_files(
        self,
        files: Vec<PathBuf>,
        form: Form,
        code: String,
        language: LanguageTag,
        split: Split,
    ) -> Result<TestSet, EvaluationError> {
        let path = &files[0];
        let mut counted: Vec<(usize, &str)> = Vec::new();
        let mut of_classes = |(items, left_out): (TestItems, usize)| {
            counted.push((left_out, "rows have no class or no translation and were left out"));
            items
        };
        let items = match form {
            Form::Xnli => of_classes(classes::xnli(path, &code)?),
            Form::MultiNli => of_classes(classes::multinli(path)?),
            Form::PawsX => of_classes(classes::paws_x(path)?),
            Form::Pairs(labels) => of_classes(classes::xtreme_pairs(path, labels)?),
            Form::Sib200 => of_classes(classes::sib_200(path)?),
            Form::AfriSenti => of_classes(classes::afri_senti(path)?),
            Form::Tagged(separator, prefix) => {
                let prefix = match prefix {
                    Prefix::Code => Some(format!("{code}:")),
                    Prefix::None => None,
                };
                let (file, empty) = tags::read(path, separator, prefix.as_deref())?;
                counted.push((empty, "words are empty and were left out"));
                counted.push((
                    tags::begun_in_the_middle(&file),
                    "tags go on with an entity that was not begun; a lenient reading begins one there",
                ));
                TestItems::Tags(file)
            }
            Form::Conllu => {
                let sentences = trees(path)?;
                let words = sentences.iter().flat_map(|sentence| &sentence.words);
                counted.push((
                    words.filter(|word| word.form == "_" && word.upos != "PUNCT").count(),
                    "words are `_`: the licence of their text keeps them out of the treebank",
                ));
                TestItems::Trees(sentences)
            }
            Form::Squad | Form::SquadOfAll => {
                let mut questions = questions::read(path)?;
                if matches!(form, Form::SquadOfAll) {
                    questions.retain(|question| questions::language_of(&question.id) == code);
                }
                if questions.iter().all(|it| it.answers.iter().all(|(answer, _)| answer.is_empty()))
                {
                    return Err(EvaluationError::Line {
                        path: path.clone(),
                        line: 1,
                        fault: "no question has an answer, expected a file from the publisher, who keeps them in"
                            .to_owned(),
                    });
                }
                counted.push((
                    questions::misplaced(&questions),
                    "answers do not stand where the file says; they are scored as texts all the same",
                ));
                TestItems::Questions(questions)
            }
            Form::Belebele => TestItems::Choices(choices::read(path)?),
            Form::Beside(_) | Form::Parallel => {
                TestItems::Translations(translations::read(path, &files[1])?)
            }
            Form::ParallelJson => {
                TestItems::Translations(translations::read_json(path, &files[1])?)
            }
        };
        let warnings =
            self.known_defects(&code, split).into_iter().map(TestSetWarning::from).collect();
        let licence = match form {
            Form::Conllu => treebank_licence(path)?,
            _ => None,
        };
        let licence = licence.unwrap_or_else(|| self.card().licence.to_owned());
        let mut set =
            TestSet { benchmark: self, language, code, split, files, licence, items, warnings };
        if set.is_empty() {
            return Err(EvaluationError::Line {
                path: set.path().to_owned(),
                line: 1,
                fault: format!("no items of `{}`, expected at least one", set.code),
            });
        }
        for (count, what) in counted {
            set.warn_of(count, |count| format!("{count} {what}"));
        }
        set.warn_of_repetition();
        Ok(set)
    }

    /// The error of a language that is not there, or may be several.
    fn absent(
        self,
        dir: &Path,
        language: &str,
        split: Split,
        found: &[(Found, Form)],
        alike: &[&(Found, Form)],
    ) -> EvaluationError {
        let code = |(file, _): &(Found, Form)| file.code.clone();
        let expected = match (alike, found, self.layouts(split).first()) {
            ([], [], Some((pattern, _))) => format!("files such as {pattern}"),
            ([], [], None) => "another split, since none such is published".to_owned(),
            ([], found, _) => {
                format!("one of {}", found.iter().map(code).collect::<Vec<_>>().join(", "))
            }
            (alike, ..) => {
                let codes: Vec<String> = alike.iter().map(|file| code(file)).collect();
                format!("the one that is meant of {}", codes.join(", "))
            }
        };
        EvaluationError::TestSet {
            dir: dir.to_owned(),
            what: format!("{split} set of {self} in `{language}`"),
            expected,
        }
    }
}

fn trees(path: &Path) -> Result<Vec<crate::DependencySentence>, EvaluationError> {
    parse_conllu(&read_text(path)?).map_err(|error| match error {
        EvaluationError::Conllu { line, field, found, expected } => EvaluationError::Line {
            path: path.to_owned(),
            line,
            fault: format!("{field}: {found}, expected {expected}"),
        },
        error => error,
    })
}

/// The licence of a treebank, from the README beside it.
fn treebank_licence(path: &Path) -> Result<Option<String>, EvaluationError> {
    let names = ["README.md", "README.txt"].map(|name| path.with_file_name(name));
    let Some(readme) = names.iter().find(|path| path.is_file()) else { return Ok(None) };
    let text = read_text(readme)?;
    let licence = text.lines().find_map(|line| line.strip_prefix("License:"));
    Ok(licence.map(|licence| licence.trim().to_owned()))
}
