//! The substitutions that tokenisers of translation metrics are made of.
//!
//! Each reads a text once and appends to another, and finds what a regular expression finds from left to right
//! without overlap: a character that is part of a match is not part of the next.

/// Sets spaces round each character of a class: `([class])` becomes ` \1 `.
pub(super) fn each(text: &str, out: &mut String, is_in: impl Fn(char) -> bool) {
    for c in text.chars() {
        if is_in(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
}

/// Sets spaces round a mark unless a digit comes before it: `([^digit])([mark])` becomes `\1 \2 `.
pub(super) fn unless_after_digit(
    text: &str,
    out: &mut String,
    is_digit: impl Fn(char) -> bool,
    is_mark: impl Fn(char) -> bool,
) {
    // Whether the character before can be the first of a match.
    let mut is_free = false;
    for c in text.chars() {
        if is_free && is_mark(c) {
            out.extend([' ', c, ' ']);
            is_free = false;
        } else {
            out.push(c);
            is_free = !is_digit(c);
        }
    }
}

/// Sets spaces round a mark unless a digit comes after it: `([mark])([^digit])` becomes ` \1 \2`.
pub(super) fn unless_before_digit(
    text: &str,
    out: &mut String,
    is_digit: impl Fn(char) -> bool,
    is_mark: impl Fn(char) -> bool,
) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if is_mark(c)
            && let Some(next) = chars.next_if(|next| !is_digit(*next))
        {
            out.extend([' ', c, ' ', next]);
        } else {
            out.push(c);
        }
    }
}

/// Sets spaces round a hyphen after a digit: `([0-9])(-)` becomes `\1 \2 `.
pub(super) fn hyphen_after_digit(text: &str, out: &mut String) {
    let mut before = ' ';
    for c in text.chars() {
        if c == '-' && before.is_ascii_digit() {
            out.push_str(" - ");
        } else {
            out.push(c);
        }
        before = c;
    }
}

/// The four substitutions of mteval for Western languages, in place.
pub(super) fn western(text: &mut String, scratch: &mut String) {
    let is_digit = |c: char| c.is_ascii_digit();
    let is_mark = |c| matches!(c, '.' | ',');
    step(text, scratch, |text, out| each(text, out, is_split_off));
    step(text, scratch, |text, out| unless_after_digit(text, out, is_digit, is_mark));
    step(text, scratch, |text, out| unless_before_digit(text, out, is_digit, is_mark));
    step(text, scratch, hyphen_after_digit);
}

/// Puts what a substitution makes of a text in its place.
pub(super) fn step(text: &mut String, scratch: &mut String, by: impl FnOnce(&str, &mut String)) {
    scratch.clear();
    by(text, scratch);
    std::mem::swap(text, scratch);
}

/// The characters of XML that mteval writes out, in its order.
pub(super) fn unescape(text: &mut String) {
    if text.contains('&') {
        for (entity, c) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            *text = text.replace(entity, c);
        }
    }
}

/// ASCII symbols and punctuation, but for the apostrophe, the comma, the hyphen and the full stop.
pub(super) fn is_split_off(c: char) -> bool {
    matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/')
}
