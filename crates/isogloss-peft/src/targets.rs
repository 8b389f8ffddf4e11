//! Which modules of a model a method adapts.

use regex::Regex;

use crate::{AdapterError, ForeignNames};

/// Names of modules, as a configuration gives them.
///
/// Names are those by which the model is known to others, where it says them
/// ([`AdapterHost::foreign_names`](crate::AdapterHost::foreign_names)), and else the paths of its
/// own modules.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModuleNames {
    /// Every one.
    All,
    /// Each names the modules that are called so, or whose names end so after a dot: `value` names
    /// `layer.0.attention.self.value`, and `alue` nothing.
    List(Vec<String>),
    /// A regular expression that matches a whole name.
    Pattern(String),
}

/// Which modules of a model a method adapts.
///
/// # Source
///
/// The rules of `peft` 0.21, `tuners_utils.check_target_module_exists`, with one difference: what
/// matches nothing is an error here, unless [`allow_unmatched`](Self::allow_unmatched).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Targets {
    /// The modules.
    pub modules: ModuleNames,
    /// Those of them that are left as they are. Default: none.
    pub exclude: Option<ModuleNames>,
    /// Only the layers of these numbers, counted from 0. Default: all.
    pub layers: Option<Vec<usize>>,
    /// After which part of a name the number of a layer stands, such as `layer`. Default: the first
    /// number between two dots that stands behind two parts.
    pub layers_pattern: Vec<String>,
    /// Whether an entry may match nothing. Default: no.
    pub allow_unmatched: bool,
}

impl Targets {
    fn of(modules: ModuleNames) -> Self {
        Self {
            modules,
            exclude: None,
            layers: None,
            layers_pattern: Vec::new(),
            allow_unmatched: false,
        }
    }

    /// Every module that the method can adapt.
    pub fn all() -> Self {
        Self::of(ModuleNames::All)
    }

    /// The modules of these names.
    pub fn list<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::of(ModuleNames::List(names.into_iter().map(Into::into).collect()))
    }

    /// The modules whose whole names a regular expression matches.
    pub fn pattern(pattern: impl Into<String>) -> Self {
        Self::of(ModuleNames::Pattern(pattern.into()))
    }

    /// Leaves some as they are.
    #[must_use]
    pub fn without(mut self, names: ModuleNames) -> Self {
        self.exclude = Some(names);
        self
    }

    /// Only in the layers of these numbers.
    #[must_use]
    pub fn in_layers(mut self, layers: impl IntoIterator<Item = usize>) -> Self {
        self.layers = Some(layers.into_iter().collect());
        self
    }

    /// The names that are meant, of those there are, in their order.
    ///
    /// `saved` are the modules that are trained as a whole: nothing in them is adapted. Errors name `field`.
    pub(crate) fn choose(
        &self,
        field: &'static str,
        names: &[String],
        saved: &[String],
        foreign: &ForeignNames,
    ) -> Result<Vec<usize>, AdapterError> {
        let modules = Matcher::new(field, &self.modules, foreign)?;
        let exclude = self.exclude.as_ref();
        let exclude = exclude.map(|it| Matcher::new("exclude_modules", it, foreign)).transpose()?;
        let layer_number = self.layer_number()?;
        let is_saved = |name: &str| saved.iter().any(|saved| is_within(name, saved));
        let mut used = vec![false; modules.entries()];
        let mut excluded = vec![false; exclude.as_ref().map_or(0, Matcher::entries)];
        let mut layers: Vec<(usize, bool)> =
            self.layers.iter().flatten().map(|layer| (*layer, false)).collect();
        let mut chosen = Vec::new();
        for (index, name) in names.iter().enumerate() {
            // An entry that names what another excludes has its match.
            let is_meant = modules.matches(name, &mut used);
            let is_out = exclude.as_ref().is_some_and(|it| it.matches(name, &mut excluded));
            if !is_meant || is_out || is_saved(name) {
                continue;
            }
            if self.layers.is_some() && !modules.names_exactly(name) {
                let number = layer_number(name);
                let layer = layers.iter_mut().find(|(layer, _)| Some(*layer) == number);
                let Some((_, is_there)) = layer else { continue };
                *is_there = true;
            }
            chosen.push(index);
        }
        let unmatched = |field, entry: String| AdapterError::Unmatched {
            field,
            entry,
            kind: "linear",
            names: names.to_vec(),
        };
        if chosen.is_empty() {
            return Err(unmatched(field, self.modules.to_string()));
        }
        if self.allow_unmatched {
            return Ok(chosen);
        }
        if let Some(entry) = modules.unused(&used) {
            return Err(unmatched(field, entry));
        }
        if let Some(entry) = exclude.as_ref().and_then(|it| it.unused(&excluded)) {
            return Err(unmatched("exclude_modules", entry));
        }
        if let Some((layer, _)) = layers.iter().find(|(_, is_there)| !is_there) {
            return Err(unmatched("layers_to_transform", layer.to_string()));
        }
        Ok(chosen)
    }

    fn layer_number(&self) -> Result<impl Fn(&str) -> Option<usize>, AdapterError> {
        let patterns = if self.layers_pattern.is_empty() {
            vec![r"^.*?\.[^.]*\.(\d+)\.".to_owned()]
        } else {
            self.layers_pattern.iter().map(|it| format!(r"^(?:|.*?\.){it}\.(\d+)\.")).collect()
        };
        let patterns = patterns.iter().map(|pattern| compile("layers_pattern", pattern));
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        Ok(move |name: &str| {
            patterns.iter().find_map(|pattern| pattern.captures(name)?[1].parse().ok())
        })
    }
}

impl std::fmt::Display for ModuleNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all-linear"),
            Self::List(names) => f.write_str(&names.join(", ")),
            Self::Pattern(pattern) => f.write_str(pattern),
        }
    }
}

struct Matcher<'a> {
    kind: Kind<'a>,
    /// A prefix that a head gives to names is no difference.
    foreign: &'a ForeignNames,
}

enum Kind<'a> {
    All,
    List(&'a [String]),
    Pattern(&'a str, Regex),
}

impl<'a> Matcher<'a> {
    fn new(
        field: &'static str,
        names: &'a ModuleNames,
        foreign: &'a ForeignNames,
    ) -> Result<Self, AdapterError> {
        let kind = match names {
            ModuleNames::All => Kind::All,
            ModuleNames::List(names) => Kind::List(names),
            ModuleNames::Pattern(pattern) => {
                Kind::Pattern(pattern, compile(field, &format!("^(?:{pattern})$"))?)
            }
        };
        Ok(Self { kind, foreign })
    }

    fn entries(&self) -> usize {
        match &self.kind {
            Kind::List(names) => names.len(),
            _ => 1,
        }
    }

    /// Whether a name is meant; notes by which entries.
    fn matches(&self, name: &str, used: &mut [bool]) -> bool {
        let plain = self.foreign.plain(name);
        let found: Vec<bool> = match &self.kind {
            Kind::All => vec![true],
            Kind::List(names) => {
                let is_meant = |entry: &String| {
                    ends_with(name, entry) || ends_with(plain, self.foreign.plain(entry))
                };
                names.iter().map(is_meant).collect()
            }
            Kind::Pattern(_, pattern) => vec![pattern.is_match(name) || pattern.is_match(plain)],
        };
        used.iter_mut().zip(&found).for_each(|(used, found)| *used |= found);
        found.contains(&true)
    }

    /// Whether an entry is the whole name.
    fn names_exactly(&self, name: &str) -> bool {
        let is_it = |it: &String| self.foreign.plain(it) == self.foreign.plain(name);
        matches!(self.kind, Kind::List(names) if names.iter().any(is_it))
    }

    fn unused(&self, used: &[bool]) -> Option<String> {
        let index = used.iter().position(|used| !used)?;
        Some(match &self.kind {
            Kind::All => ModuleNames::All.to_string(),
            Kind::List(names) => names[index].clone(),
            Kind::Pattern(pattern, _) => (*pattern).to_owned(),
        })
    }
}

/// Whether a name is this one, or ends with it after a dot.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a module of this name is, or is in, one that `saved` names.
pub(crate) fn is_within(name: &str, saved: &str) -> bool {
    let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
    starts.map(|start| &name[start..]).any(|rest| {
        rest.strip_prefix(saved).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Whether a module of this name is one that is trained as a whole, or is in one: by the end of a name,
/// whether after a dot or not, as `peft` says it here and only here.
pub(crate) fn is_saved(name: &str, saved: &str, foreign: &ForeignNames) -> bool {
    let (name, saved) = (foreign.plain(name), foreign.plain(saved));
    let ends = name.match_indices('.').map(|(dot, _)| dot).chain(std::iter::once(name.len()));
    ends.map(|end| &name[..end]).any(|module| module.ends_with(saved))
}

/// A value for each name, by the first pattern that matches it: `rank_pattern`, `alpha_pattern`.
///
/// A pattern matches a name, or the end of one after a dot.
pub(crate) fn by_pattern<T: Copy>(
    field: &'static str,
    patterns: &[(String, T)],
    names: &[&str],
    foreign: &ForeignNames,
    default: T,
    allow_unmatched: bool,
) -> Result<Vec<T>, AdapterError> {
    let compiled = patterns.iter().map(|(key, value)| {
        let pattern = format!(r"^(?:.*\.)?(?:{})$", foreign.plain(key));
        Ok((compile(field, &pattern)?, key, *value, false))
    });
    let mut compiled = compiled.collect::<Result<Vec<_>, AdapterError>>()?;
    let values = names.iter().map(|name| {
        let found = compiled.iter_mut().find(|(pattern, ..)| pattern.is_match(name));
        found.map_or(default, |(_, _, value, is_used)| {
            *is_used = true;
            *value
        })
    });
    let values = values.collect();
    match compiled.iter().find(|(.., is_used)| !is_used && !allow_unmatched) {
        Some((_, key, ..)) => Err(AdapterError::Unmatched {
            field,
            entry: (*key).clone(),
            kind: "adapted",
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }),
        None => Ok(values),
    }
}

fn compile(field: &'static str, pattern: &str) -> Result<Regex, AdapterError> {
    Regex::new(pattern).map_err(|_| AdapterError::Config {
        field,
        found: format!("`{pattern}`"),
        expected: "a regular expression",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(targets: &Targets, names: &[&str]) -> Result<Vec<usize>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (saved, foreign) = (["head".to_owned()], ForeignNames::default());
        let chosen = targets.choose("target_modules", &names, &saved, &foreign);
        chosen.map_err(|error| error.to_string())
    }

    const NAMES: [&str; 5] = [
        "m.layer.0.self.query",
        "m.layer.0.self.value",
        "m.layer.1.self.query",
        "m.layer.1.self.value",
        "head.value",
    ];

    #[test]
    fn names_are_chosen_as_peft_chooses_them() {
        // Ends after a dot; what is trained as a whole is not adapted besides.
        assert_eq!(chosen(&Targets::list(["value"]), &NAMES), Ok(vec![1, 3]));
        assert_eq!(chosen(&Targets::list(["1.self.query"]), &NAMES), Ok(vec![2]));
        // No regular expressions in a list, and nothing but those in a string.
        assert!(chosen(&Targets::list([".*query"]), &NAMES).is_err());
        assert_eq!(chosen(&Targets::pattern(".*query"), &NAMES), Ok(vec![0, 2]));
        assert!(chosen(&Targets::pattern("query"), &NAMES).is_err());
        assert_eq!(chosen(&Targets::all(), &NAMES), Ok(vec![0, 1, 2, 3]));
        let without = Targets::all().without(ModuleNames::List(vec!["query".to_owned()]));
        assert_eq!(chosen(&without, &NAMES), Ok(vec![1, 3]));
        assert_eq!(chosen(&Targets::list(["query"]).in_layers([1]), &NAMES), Ok(vec![2]));
        // A whole name is meant in whatever layer it is.
        let exact = Targets::list(["m.layer.0.self.query", "value"]).in_layers([1]);
        assert_eq!(chosen(&exact, &NAMES), Ok(vec![0, 3]));
    }

    #[test]
    fn the_number_of_a_layer_stands_where_peft_looks_for_it() {
        // Nothing stands before `layers` here, so that a pattern is needed.
        let names = ["layers.1.q", "layers.2.q"];
        let mut targets = Targets::list(["q"]).in_layers([1]);
        assert!(chosen(&targets, &names).is_err());
        targets.layers_pattern = vec!["layers".to_owned()];
        assert_eq!(chosen(&targets, &names), Ok(vec![0]));
    }

    #[test]
    fn what_matches_nothing_is_named_unless_that_is_allowed() {
        let mut targets = Targets::list(["query", "nope"]);
        assert_eq!(
            chosen(&targets, &NAMES[..2]).unwrap_err(),
            "adapter: `nope` of `target_modules` matches no linear module, expected one of: \
             m.layer.0.self.query, m.layer.0.self.value",
        );
        targets.allow_unmatched = true;
        assert_eq!(chosen(&targets, &NAMES), Ok(vec![0, 2]));
        let error = chosen(&Targets::list(["query"]).in_layers([0, 7]), &NAMES).unwrap_err();
        assert!(error.starts_with("adapter: `7` of `layers_to_transform`"), "{error}");
    }

    #[test]
    fn a_pattern_of_ranks_is_anchored_at_dots() {
        let ranks = |patterns: &[(&str, usize)]| {
            let patterns: Vec<_> =
                patterns.iter().map(|(key, rank)| ((*key).to_owned(), *rank)).collect();
            by_pattern("rank_pattern", &patterns, &NAMES[..4], &ForeignNames::default(), 8, false)
        };
        assert_eq!(ranks(&[("query", 4)]).unwrap(), [4, 8, 4, 8]);
        assert_eq!(ranks(&[("1.self.query", 2), ("query", 4)]).unwrap(), [4, 8, 2, 8]);
        // A dot is any character.
        assert_eq!(ranks(&[(r"layer.\d.self.value", 3)]).unwrap(), [8, 3, 8, 3]);
        let error = ranks(&[("uery", 4)]).unwrap_err().to_string();
        assert!(
            error.starts_with("adapter: `uery` of `rank_pattern` matches no adapted"),
            "{error}"
        );
    }

    #[test]
    fn a_module_is_within_another_at_dots() {
        assert!(is_within("a.head.dense", "head") && is_within("head", "head"));
        assert!(!is_within("a.lm_head.dense", "head") && !is_within("heads.x", "head"));
        let names = ForeignNames::default().with_prefix("bert.");
        let is_saved = |name, saved| is_saved(name, saved, &names);
        assert!(is_saved("a.head.dense", "head") && is_saved("a.lm_head.dense", "head"));
        assert!(!is_saved("heads.x", "head"));
        assert!(is_saved("pooler.dense", "bert.pooler.dense"));
    }
}
