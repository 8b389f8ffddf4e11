//! Centred kernel alignment: whether two sets of vectors tell the same items apart.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::moments::Moments;
use super::products::Vectors;
use super::{ALIKE, check_pairs, is_constant};
use crate::jackknife::Groups;
use crate::{
    BarSeries, Bars, EmbeddingMatrix, Estimate, EvaluationError, JackknifeConfig, Jackknifed, Plot,
};

/// Linear centred kernel alignment of two representations of the same items: 1 where one is the other
/// turned, moved and scaled, near 0 where they have nothing in common.
///
/// Products are of `dim × dim`, or of items × items where those are fewer by half. [`JackknifeConfig::cka`]
/// gives it an interval.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Cka, EmbeddingMatrix};
///
/// let english = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0, 2.0, 2.0])?;
/// // The same triangle, turned by a quarter and twice as large.
/// let yoruba = EmbeddingMatrix::try_new(2, vec![0.0, 2.0, -2.0, 0.0, -4.0, 4.0])?;
/// assert!((Cka::Biased.of(&english, &yoruba)? - 1.0).abs() < 1e-12);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
///
/// # Source
///
/// Kornblith, Norouzi, Lee and Hinton (2019), "Similarity of Neural Network Representations
/// Revisited", <https://arxiv.org/abs/1905.00414>. Between languages: Conneau, Wu, Li, Zettlemoyer and
/// Stoyanov (2020), <https://aclanthology.org/2020.acl-main.536>, who use the biased form.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Cka {
    /// `‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖)` of centred columns, in Frobenius norms. Too high where there are few
    /// items for the width: what is unrelated, too, looks alike.
    Biased,
    /// `HSIC₁(X, Y) / √(HSIC₁(X, X) · HSIC₁(Y, Y))`, the unbiased estimator of Song, Smola, Gretton,
    /// Bedo and Borgwardt (2012), <https://jmlr.org/papers/v13/song12a.html>, as Nguyen, Raghu and
    /// Kornblith (2021), <https://arxiv.org/abs/2010.15327>, use it. At least four items. It may be a
    /// little below 0.
    #[default]
    Debiased,
}

impl Cka {
    /// The alignment of two representations.
    ///
    /// # Shapes
    ///
    /// - `src`: `[n, dim_src]`, `tgt`: `[n, dim_tgt]`, row `i` of both of the same item
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Length`] where the rows differ, [`EvaluationError::Undefined`] for fewer
    /// than two items (four for [`Debiased`](Self::Debiased)) and for a side that does not vary.
    pub fn of(self, src: &EmbeddingMatrix, tgt: &EmbeddingMatrix) -> Result<f64, EvaluationError> {
        check_pairs(src, tgt)?;
        Ok(self.each(src, tgt, &Groups::none(src.row_count()))?[0])
    }

    /// The alignment on all items, and on all but each group.
    fn each(
        self,
        src: &EmbeddingMatrix,
        tgt: &EmbeddingMatrix,
        groups: &Groups,
    ) -> Result<Vec<f64>, EvaluationError> {
        let src = Side::new(src, "the sources", groups);
        let tgt = Side::new(tgt, "the targets", groups);
        self.ratios(&src, &tgt, &src.products(&tgt, groups))
    }

    /// Products of two sides by those of each with itself.
    fn ratios(
        self,
        src: &Side,
        tgt: &Side,
        products: &[Products],
    ) -> Result<Vec<f64>, EvaluationError> {
        let norms = [src.norms(self)?, tgt.norms(self)?];
        let ratio = |(place, product): (usize, &Products)| {
            self.pick(product) / (norms[0][place] * norms[1][place])
        };
        Ok(products.iter().enumerate().map(ratio).collect())
    }

    fn pick(self, products: &Products) -> f64 {
        match self {
            Self::Biased => products.biased,
            Self::Debiased => products.debiased,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Biased => "CKA",
            Self::Debiased => "debiased CKA",
        }
    }

    fn least_items(self) -> usize {
        match self {
            Self::Biased => 2,
            Self::Debiased => 4,
        }
    }
}

impl JackknifeConfig {
    /// [`Cka::of`] with its interval.
    ///
    /// # Errors
    ///
    /// As those of [`Cka::of`], also where it is not defined without a group, and of
    /// [`estimate`](Self::estimate).
    pub fn cka(
        &self,
        cka: Cka,
        src: &EmbeddingMatrix,
        tgt: &EmbeddingMatrix,
    ) -> Result<Jackknifed, EvaluationError> {
        check_pairs(src, tgt)?;
        let groups = self.split(src.row_count())?;
        self.of_each(cka.each(src, tgt, &groups)?, &groups)
    }
}

/// A representation, with its products with itself.
struct Side {
    /// Who it is, in an error.
    name: String,
    /// In the order of the groups.
    vectors: Vectors,
    is_constant: bool,
    /// The least items that a product is of.
    items: usize,
    own: Vec<Products>,
}

/// Of some items: numerators and denominators of both forms.
struct Products {
    biased: f64,
    debiased: f64,
}

impl Side {
    fn new(matrix: &EmbeddingMatrix, name: impl Into<String>, groups: &Groups) -> Self {
        // The debiased form does not change with the means; small numbers lose less in it.
        let vectors = Vectors::new(matrix).centred().in_order(&groups.order).narrowed();
        let mut side = Self {
            name: name.into(),
            vectors,
            is_constant: is_constant(matrix),
            items: matrix.row_count() - groups.largest(),
            own: Vec::new(),
        };
        side.own = side.products(&side, groups);
        side
    }

    fn products(&self, other: &Self, groups: &Groups) -> Vec<Products> {
        Moments::each(&self.vectors, &other.vectors, groups, |moments| Products {
            biased: moments.hsic_biased(),
            debiased: moments.hsic_debiased(),
        })
    }

    /// The roots of its products with itself.
    fn norms(&self, cka: Cka) -> Result<Vec<f64>, EvaluationError> {
        let undefined = |reason| EvaluationError::Undefined { what: cka.what(), reason };
        if self.items < cka.least_items() {
            let (items, least) = (self.items, cka.least_items());
            return Err(undefined(format!("{items} vectors, expected at least {least}")));
        }
        let name = &self.name;
        if self.is_constant {
            return Err(undefined(format!("{name} are all alike, expected some that differ")));
        }
        // The unbiased estimate may fall below what it estimates.
        let all = self.own.first().map_or(0.0, |products| cka.pick(products)).max(0.0);
        let least = ALIKE * all;
        let norm = |products: &Products| {
            let own = cka.pick(products);
            if own <= least {
                let reason =
                    format!("HSIC of {name} with themselves is {own}, expected above {least}");
                return Err(undefined(reason));
            }
            Ok(own.sqrt())
        };
        self.own.iter().map(norm).collect()
    }
}

/// How alike two of several languages are in one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PairAlignment {
    /// The places of the languages, the first before the second.
    pub pair: [usize; 2],
    /// As [`Cka::Biased`] has it.
    pub biased: Jackknifed,
    /// As [`Cka::Debiased`] has it.
    pub debiased: Jackknifed,
}

/// Aligns all pairs of several languages, with intervals: what needs one language alone is computed once.
///
/// Pairs are computed side by side; the numbers do not depend on the number of threads.
///
/// # Shapes
///
/// - each language: `[n, dim]`, row `i` of all of them the same text
///
/// # Errors
///
/// As [`JackknifeConfig::cka`]; [`EvaluationError::Empty`] without languages. A language whose vectors have no
/// alignment is named by its place, from 0.
pub fn align_pairs(
    languages: &[&EmbeddingMatrix],
    jackknife: &JackknifeConfig,
) -> Result<Vec<PairAlignment>, EvaluationError> {
    let Some((first, others)) = languages.split_first() else {
        return Err(EvaluationError::Empty { what: "languages" });
    };
    for other in others {
        check_pairs(first, other)?;
    }
    let groups = jackknife.split(first.row_count())?;
    let side = |(place, matrix): (usize, &&EmbeddingMatrix)| {
        Side::new(matrix, format!("the vectors of language {place}"), &groups)
    };
    let sides: Vec<Side> = languages.par_iter().enumerate().map(side).collect();
    let pairs: Vec<[usize; 2]> =
        (0..sides.len()).flat_map(|a| (a + 1..sides.len()).map(move |b| [a, b])).collect();
    let align = |pair: &[usize; 2]| {
        let [src, tgt] = pair.map(|place| &sides[place]);
        let products = src.products(tgt, &groups);
        let of = |cka: Cka| jackknife.of_each(cka.ratios(src, tgt, &products)?, &groups);
        Ok(PairAlignment { pair: *pair, biased: of(Cka::Biased)?, debiased: of(Cka::Debiased)? })
    };
    pairs.par_iter().map(align).collect()
}

/// How alike two languages are in each layer of a model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerAlignment {
    /// Which form of the alignment.
    pub cka: Cka,
    /// The alignment of each layer, in order, with its interval.
    pub values: Vec<Estimate>,
}

/// Aligns two languages layer by layer: for each layer, the vectors of texts and of their
/// translations.
///
/// Layers are computed side by side; the numbers do not depend on the number of threads.
///
/// # Shapes
///
/// - each layer: `[n, dim]` twice, row `i` of one a translation of row `i` of the other; all layers
///   have the same `n`
///
/// # Errors
///
/// As [`JackknifeConfig::cka`]; [`EvaluationError::Empty`] without layers, [`EvaluationError::Length`] for a layer
/// of another number of rows.
pub fn align_layers(
    cka: Cka,
    layers: &[(EmbeddingMatrix, EmbeddingMatrix)],
    jackknife: &JackknifeConfig,
) -> Result<LayerAlignment, EvaluationError> {
    let Some((first, _)) = layers.first() else {
        return Err(EvaluationError::Empty { what: "layers" });
    };
    let expected = first.row_count();
    if let Some((layer, _)) = layers.iter().find(|(src, _)| src.row_count() != expected) {
        let found = layer.row_count();
        return Err(EvaluationError::Length { what: "rows of a layer", found, expected });
    }
    let values = layers
        .par_iter()
        .map(|(src, tgt)| Ok(jackknife.cka(cka, src, tgt)?.estimate()))
        .collect::<Result<Vec<_>, EvaluationError>>()?;
    Ok(LayerAlignment { cka, values })
}

impl LayerAlignment {
    /// Bars of some alignments, one for each layer and each name, such as a language or a model.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without alignments, [`EvaluationError::Length`] where one has another
    /// number of layers.
    pub fn plot(
        title: impl Into<String>,
        alignments: &[(&str, &Self)],
    ) -> Result<Plot, EvaluationError> {
        let Some((_, first)) = alignments.first() else {
            return Err(EvaluationError::Empty { what: "alignments" });
        };
        let expected = first.values.len();
        let mut series = Vec::with_capacity(alignments.len());
        for (name, alignment) in alignments {
            let found = alignment.values.len();
            if found != expected {
                return Err(EvaluationError::Length { what: "layers", found, expected });
            }
            let values = alignment.values.iter().copied().map(Some).collect();
            series.push(BarSeries { name: (*name).to_owned(), values });
        }
        let labels = (0..expected).map(|layer| format!("layer {layer}")).collect();
        let axis = first.cka.what();
        Ok(Plot::Bars(Bars::new(title, axis, labels, series)))
    }
}
