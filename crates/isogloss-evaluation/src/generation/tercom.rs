//! How TER takes a text apart.

use super::separate::{
    each, hyphen_after_digit, step, unescape, unless_after_digit, unless_before_digit,
};
use super::ter::Ter;

/// A text whose words stand between white space, in the place of `text`, as sacrebleu's `TercomTokenizer` makes it.
pub(super) fn tokenize(ter: Ter, text: &mut String, scratch: &mut String) {
    if text.is_empty() {
        return;
    }
    if !ter.case_sensitive {
        *text = text.to_lowercase();
    }
    if ter.normalized {
        normalize(text, scratch);
        if ter.asian_support {
            // Runs of kana stay whole: the rules of the reference that would part them ask for a text that is
            // nothing but kana, and it has set spaces round the text before.
            step(text, scratch, |text, out| each(text, out, |c| is_split(c) || is_asian_mark(c)));
        }
    }
    if ter.no_punct {
        let is_mark = |c| matches!(c, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')');
        text.retain(|c| !(is_mark(c) || ter.asian_support && is_asian_mark(c)));
    }
}

fn normalize(text: &mut String, scratch: &mut String) {
    if text.contains('\n') {
        *text = text.replace("\n-", "").replace('\n', " ");
    }
    unescape(text);
    text.insert(0, ' ');
    text.push(' ');
    let is_digit = |c: char| c.is_ascii_digit();
    let is_mark = |c| matches!(c, '.' | ',');
    step(text, scratch, |text, out| each(text, out, super::separate::is_split_off));
    *text = text.replace("'s ", " 's ");
    step(text, scratch, |text, out| unless_after_digit(text, out, is_digit, is_mark));
    step(text, scratch, |text, out| unless_before_digit(text, out, is_digit, is_mark));
    step(text, scratch, hyphen_after_digit);
}

/// Ideographs, strokes, radicals and compatibility characters; up to U+3F22 where the reference means U+32FF.
fn is_split(c: char) -> bool {
    matches!(
        c,
        '\u{4e00}'..='\u{9fff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{31c0}'..='\u{31ef}'
            | '\u{2e80}'..='\u{2eff}'
            | '\u{3200}'..='\u{3f22}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe4f}'
    )
}

/// Punctuation of Chinese, Japanese and Korean, and of full width.
fn is_asian_mark(c: char) -> bool {
    matches!(
        c,
        '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{ff61}'..='\u{ff65}'
            | '\u{30fb}' | '\u{ff0e}' | '\u{ff0c}' | '\u{ff1f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff01}'
            | '\u{ff02}' | '\u{ff08}' | '\u{ff09}'
    )
}
