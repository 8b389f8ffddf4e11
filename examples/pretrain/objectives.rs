//! Which objectives share a run, and their weights.

use isogloss_examples::Outcome;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Objective {
    /// Masked tokens of single texts.
    Mlm,
    /// Masked tokens of texts beside their translations.
    Tlm,
    /// Telling translations from other texts.
    Ranking,
}

impl Objective {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mlm => "mlm",
            Self::Tlm => "tlm",
            Self::Ranking => "ranking",
        }
    }

    pub(crate) fn reads_pairs(self) -> bool {
        self != Self::Mlm
    }
}

/// Reads `mlm=1,tlm=3`, cut at commas already; without a weight it is 1.
pub(crate) fn parse(texts: &[String]) -> Outcome<Vec<(Objective, f64)>> {
    let mut found: Vec<(Objective, f64)> = Vec::new();
    for text in texts {
        let fault = || {
            format!(
                "--objective {text}: expected mlm, tlm or ranking, once each, as NAME or NAME=WEIGHT"
            )
        };
        let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
        let objective = match name {
            "mlm" => Objective::Mlm,
            "tlm" => Objective::Tlm,
            "ranking" => Objective::Ranking,
            _ => return Err(fault().into()),
        };
        let weight: f64 = weight.parse().map_err(|_| fault())?;
        let is_new = found.iter().all(|(other, _)| *other != objective);
        if !(weight.is_finite() && weight > 0.0 && is_new) {
            return Err(fault().into());
        }
        found.push((objective, weight));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_have_names_and_weights() {
        let parse =
            |texts: &[&str]| parse(&texts.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
        assert_eq!(
            parse(&["mlm", "tlm=3"]).unwrap(),
            [(Objective::Mlm, 1.0), (Objective::Tlm, 3.0)]
        );
        for wrong in [&["mlm", "mlm"][..], &["elmo"], &["mlm=0"], &["mlm=x"], &["tlm=inf"]] {
            assert!(parse(wrong).unwrap_err().to_string().contains("NAME=WEIGHT"));
        }
    }
}
