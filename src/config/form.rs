//! What a single text of the file has to look like.

use std::ops::Range;
use std::time::Duration;

use jiff::SignedDuration;
use regex::Regex;

use super::error::{FileFault, Problem};
use super::key::{Form, PIN_PLACEHOLDERS, URL_PLACEHOLDERS};
use super::template::{self, Fault};
use super::{Person, Settable};
use crate::values;

/// Longest name: it becomes a file name.
const LONGEST_NAME: usize = 63;
/// Longest name of an environment of GitLab.
const LONGEST_ENVIRONMENT: usize = 255;
/// Longest time span: longer ones are slips, and a clock would overflow.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Where a text stands: its key, and the table in words (`in [environment.int]`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) key: &'a str,
    pub(super) place: &'a str,
}

/// A problem, with the bytes of the text that it is about where it is not the whole text.
pub(super) type Finding = (Problem, Option<Range<usize>>);

/// What is wrong with `text`, if anything.
pub(super) fn check(form: Form, text: &str, spot: Spot<'_>) -> Option<Finding> {
    let place = spot.place.to_owned();
    if text.trim().is_empty() {
        return whole(Problem::Empty { what: format!("`{}`", spot.key), place });
    }
    match form {
        Form::Any | Form::Reference => control_character(text, spot),
        Form::Name => name(text, spot),
        Form::Branch => branch(text, spot),
        Form::Remote => remote(text, spot),
        Form::Person => {
            person(text).is_none().then_some((Problem::BadPerson { text: text.into(), place }, None))
        }
        Form::Pattern => pattern(text, spot),
        Form::Duration => duration(text, spot).err().map(|problem| (problem, None)),
        Form::Template(known) => {
            template::misspelt(text, known).map(|(fault, range)| brace(fault, range, known, spot))
        }
        Form::Filled(known) => strict(text, known, spot).or_else(|| control_character(text, spot)),
        Form::Resource => strict(text, PIN_PLACEHOLDERS, spot).or_else(|| resource_fault(text, spot)),
        Form::Selector => strict(text, PIN_PLACEHOLDERS, spot).or_else(|| selector_fault(text, spot)),
        Form::RepositoryFile => repository_file(text, spot),
        Form::PinFile => pin_file(text, spot),
        Form::PinPath => pin_path(text, spot),
        Form::Settable => settable_fault(text, spot),
        Form::Variable => variable(text, spot),
        Form::HttpUrl => http(text, spot),
        Form::HttpTemplate => strict(text, URL_PLACEHOLDERS, spot).or_else(|| http(text, spot)),
        Form::Environment => environment(text, spot),
        Form::Condition => condition(text, spot),
        Form::BucketUrl => bucket_url(text, spot),
        Form::ObjectName => object_name(text, spot),
        Form::OneOf(words) => one_of(words, text, spot),
    }
}

fn whole(problem: Problem) -> Option<Finding> {
    Some((problem, None))
}

/// What is wrong with a name, if anything.
pub(super) fn name(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let good = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(inner)
        && text.len() <= LONGEST_NAME;
    (!good).then(|| (Problem::BadName { name: text.to_owned(), place: spot.place.to_owned() }, None))
}

fn control_character(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let value = || text.escape_default().to_string();
    text.contains(|c: char| c.is_control())
        .then(|| (Problem::ControlCharacter { value: value(), place: spot.place.to_owned() }, None))
}

fn branch(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let good = git2::Branch::name_is_valid(text).unwrap_or(false) && !text.starts_with("refs/");
    (!good).then(|| (Problem::BadBranch { branch: text.to_owned(), place: spot.place.to_owned() }, None))
}

/// As GitLab checks it, without the braces and `$` of a variable. <https://docs.gitlab.com/ci/yaml/#environmentname>
fn environment(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '/');
    let ends = |c: char| matches!(c, ' ' | '/');
    let good = text.chars().all(inner)
        && !text.starts_with(ends)
        && !text.ends_with(ends)
        && text.len() <= LONGEST_ENVIRONMENT;
    (!good).then(|| (Problem::BadEnvironment { name: text.to_owned(), place: spot.place.to_owned() }, None))
}

fn remote(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let place = spot.place.to_owned();
    if let Some(range) = password(text) {
        return Some((Problem::PasswordInUrl { key: spot.key.to_owned(), place }, Some(range)));
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let good = scheme.is_none_or(|scheme| matches!(scheme, "https" | "http" | "ssh" | "git+ssh" | "file"))
        && !text.starts_with('-')
        && !text.contains(|c: char| c.is_control());
    (!good).then(|| (Problem::BadRemote { text: text.to_owned(), place }, None))
}

/// The bytes of the password in `scheme://user:password@host`.
fn password(url: &str) -> Option<Range<usize>> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let user_info = &authority[..authority.rfind('@')?];
    let colon = user_info.find(':')?;
    let start = scheme.len() + 3;
    Some(start + colon + 1..start + user_info.len())
}

/// `Name <mail>` taken apart.
pub(super) fn person(text: &str) -> Option<Person> {
    let (name, rest) = text.split_once('<')?;
    let (name, email) = (name.trim(), rest.trim_end().strip_suffix('>')?.trim());
    let odd = |c: char| c.is_control() || matches!(c, '<' | '>');
    let good = !name.is_empty()
        && !name.contains(odd)
        && email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && !email.contains(|c: char| odd(c) || c.is_whitespace());
    good.then(|| Person { name: name.to_owned(), email: email.to_owned() })
}

/// The pattern, made to match as a whole.
pub(super) fn whole_match(pattern: &str) -> Result<Regex, regex::Error> {
    // compiled alone first: `a)|(b` would be valid only inside the group
    Regex::new(pattern)?;
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}

fn pattern(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let message = whole_match(text).err()?.to_string();
    let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let caret = message.lines().find(|line| line.trim_start().starts_with('^'));
    // regex indents the pattern by four
    let range = caret.filter(|_| !text.contains('\n')).and_then(|line| {
        let column = line.find('^')?.checked_sub(4)?;
        let width = line.trim().len();
        let start = text.char_indices().nth(column).map_or(text.len(), |(index, _)| index);
        let end = text.char_indices().nth(column + width).map_or(text.len(), |(index, _)| index);
        Some(start..end)
    });
    Some((Problem::BadPattern { key: spot.key.to_owned(), place: spot.place.to_owned(), reason }, range))
}

/// The time span that `text` says; above zero.
pub(super) fn duration(text: &str, spot: Spot<'_>) -> Result<Duration, Problem> {
    let (key, place) = (spot.key.to_owned(), spot.place.to_owned());
    let bad = |reason: &str| Problem::BadDuration {
        key: key.clone(),
        place: place.clone(),
        reason: reason.to_owned(),
    };
    if text.trim().parse::<f64>().is_ok() {
        return Err(bad("its unit is missing"));
    }
    let signed: SignedDuration =
        text.parse().map_err(|_| bad("it is not a number with a unit such as h, m or s"))?;
    if !signed.is_positive() {
        return Err(Problem::NotPositive { key, place });
    }
    let span = signed.unsigned_abs();
    if span > LONGEST { Err(bad("it is longer than a year")) } else { Ok(span) }
}

fn brace(fault: Fault, range: Range<usize>, known: &[&str], spot: Spot<'_>) -> Finding {
    let place = format!("in `{}` {}", spot.key, spot.place);
    let problem = match fault {
        Fault::Unknown(name) => Problem::UnknownPlaceholder {
            name,
            place,
            known: known.iter().map(|k| (*k).to_owned()).collect(),
        },
        Fault::Unclosed => Problem::UnclosedBrace { place },
        Fault::Stray => Problem::StrayBrace { place },
    };
    (problem, Some(range))
}

fn strict(text: &str, known: &[&str], spot: Spot<'_>) -> Option<Finding> {
    template::strict(text, known).map(|(fault, range)| brace(fault, range, known, spot))
}

fn pin_file(text: &str, spot: Spot<'_>) -> Option<Finding> {
    strict(text, PIN_PLACEHOLDERS, spot).or_else(|| repository_file(text, spot))
}

fn repository_file(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let bad = |fault| Problem::BadFile { file: text.to_owned(), place: spot.place.to_owned(), fault };
    file_fault(text).map(|fault| (bad(fault), None))
}

/// Why `file` cannot be a file of the repository, if it cannot.
pub(super) fn file_fault(file: &str) -> Option<FileFault> {
    let drive = file.as_bytes().get(1) == Some(&b':') && file.starts_with(|c: char| c.is_ascii_alphabetic());
    if file.contains(|c: char| c.is_control()) {
        Some(FileFault::Control)
    } else if file.starts_with(['/', '~']) || drive {
        Some(FileFault::Absolute)
    } else if file.contains('\\') {
        Some(FileFault::Backslash)
    } else if file.split('/').any(|part| part == "..") {
        Some(FileFault::Parent)
    } else if file.split('/').any(|part| part.is_empty() || part == ".") {
        Some(FileFault::EmptyPart)
    } else if file.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        Some(FileFault::Git)
    } else {
        None
    }
}

fn pin_path(text: &str, spot: Spot<'_>) -> Option<Finding> {
    strict(text, PIN_PLACEHOLDERS, spot).or_else(|| path(text, &template::stand_in(text), 0, spot))
}

/// What is wrong with the path `read`, shown as `text`, which begins `offset` bytes into the value.
fn path(text: &str, read: &str, offset: usize, spot: Spot<'_>) -> Option<Finding> {
    let error = read.parse::<values::Path>().err()?;
    let from = text.char_indices().nth(error.column.saturating_sub(1)).map_or(text.len(), |(index, _)| index);
    let to = text[from..].chars().next().map_or(from, |c| from + c.len_utf8());
    let problem = Problem::BadPath {
        path: text.to_owned(),
        place: spot.place.to_owned(),
        reason: error.reason.to_string(),
    };
    Some((problem, Some(offset + from..offset + to)))
}

fn settable_fault(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let Some((service, rest)) = text.split_once(':').filter(|(s, p)| !s.trim().is_empty() && !p.is_empty())
    else {
        return whole(Problem::BadSettable { text: text.to_owned(), place: spot.place.to_owned() });
    };
    path(rest, rest, service.len() + 1, spot)
}

/// `service:path` taken apart.
pub(super) fn settable(text: &str) -> Option<Settable> {
    let (service, path) = text.split_once(':')?;
    Some(Settable { service: service.to_owned(), path: path.parse().ok()? })
}

/// `kind/name` taken apart: the kind as a manifest names it.
pub(super) fn resource(text: &str) -> Option<(String, String)> {
    let (kind, name) = text.split_once('/')?;
    let kind = crate::agent::kinds::workload(kind)?;
    let good = !name.is_empty() && !name.contains('/') && !name.contains(char::is_whitespace);
    good.then(|| (kind.kind.to_owned(), name.to_owned()))
}

fn resource_fault(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let place = spot.place.to_owned();
    resource(text).is_none().then(|| (Problem::BadResource { text: text.to_owned(), place }, None))
}

fn selector_fault(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let error = template::stand_in(text).parse::<crate::cluster::Labels>().err()?;
    let (text, place, reason) = (text.to_owned(), spot.place.to_owned(), error.to_string());
    whole(Problem::BadSelector { text, place, reason })
}

fn variable(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let good = !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (!good).then(|| (Problem::BadVariable { name: text.to_owned(), place: spot.place.to_owned() }, None))
}

fn http(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let place = spot.place.to_owned();
    if let Some(range) = password(text) {
        return Some((Problem::PasswordInUrl { key: spot.key.to_owned(), place }, Some(range)));
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let good = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
        && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    (!good).then(|| (Problem::BadUrl { text: text.to_owned(), place }, None))
}

/// Rules of bucket names: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn bucket_url(text: &str, spot: Spot<'_>) -> Option<Finding> {
    if let Some(finding) = strict(text, URL_PLACEHOLDERS, spot).or_else(|| control_character(text, spot)) {
        return Some(finding);
    }
    let rest = text.strip_prefix("s3://");
    let (name, prefix) = rest.map_or(("", ""), |rest| rest.split_once('/').unwrap_or((rest, "")));
    let stand_in = template::stand_in(name);
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let reason = if rest.is_none() {
        "it does not begin with `s3://`"
    } else if name.contains("{version}") {
        "the version cannot be a part of the bucket's name"
    } else if stand_in.len() < 3 || stand_in.len() > 63 || !stand_in.chars().all(good) {
        "its bucket's name is not 3 to 63 lower-case letters, digits, `.` and `-`"
    } else if !prefix.contains("{version}") {
        "without `{version}` all versions would be one package"
    } else if prefix.starts_with('/') || prefix.contains("//") {
        "it contains an empty part"
    } else {
        return None;
    };
    let (text, place) = (text.to_owned(), spot.place.to_owned());
    whole(Problem::BadBucketUrl { text, place, reason: reason.to_owned() })
}

fn object_name(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let bad = text.starts_with('/') || text.ends_with('/');
    let (name, place) = (text.to_owned(), spot.place.to_owned());
    match bad {
        true => whole(Problem::BadObject { name, place }),
        false => control_character(text, spot),
    }
}

fn condition(text: &str, spot: Spot<'_>) -> Option<Finding> {
    let place = spot.place.to_owned();
    text.parse::<super::Condition>()
        .is_err()
        .then(|| (Problem::BadCondition { text: text.to_owned(), place }, None))
}

fn one_of(words: &[&str], text: &str, spot: Spot<'_>) -> Option<Finding> {
    let known = || words.iter().map(|word| (*word).to_owned()).collect();
    (!words.contains(&text)).then(|| {
        let (key, place) = (spot.key.to_owned(), spot.place.to_owned());
        (Problem::UnknownWord { word: text.to_owned(), key, place, known: known() }, None)
    })
}
