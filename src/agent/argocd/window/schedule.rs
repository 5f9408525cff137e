//! When a window is open: cron's five fields, as `robfig/cron` reads them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Window;

/// Whether a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It is.
    Open,
    /// It is not.
    Closed,
    /// Its schedule, duration or time zone can't be read.
    Unknown,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Longest window that is looked at: a year.
const LONGEST: i64 = 366 * 24 * 60;

/// Whether `window` is open: whether it began less than its duration ago.
pub fn activity(window: &Window, now: Timestamp) -> Activity {
    let zone = match window.time_zone.as_str() {
        "" | "UTC" => Some(TimeZone::UTC),
        name => TimeZone::get(name).ok(),
    };
    let duration = window.duration.parse::<SignedDuration>().ok();
    let (Some(schedule), Some(zone), Some(duration)) = (Schedule::parse(&window.schedule), zone, duration)
    else {
        return Activity::Unknown;
    };
    let minute = now.as_second().div_euclid(60);
    let began = (0..(duration.as_secs() + 59).div_euclid(60).min(LONGEST)).any(|ago| {
        let begin = Timestamp::from_second((minute - ago) * 60);
        begin.is_ok_and(|begin| {
            now.duration_since(begin) < duration && schedule.begins_at(zone.to_datetime(begin))
        })
    });
    if began { Activity::Open } else { Activity::Closed }
}

/// Bits of each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Schedule {
    minutes: u64,
    hours: u64,
    days: Option<u64>,
    months: u64,
    weekdays: Option<u64>,
}

impl Schedule {
    fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return None };
        // either of the two is enough where both are given
        let given = |text: &str| !text.starts_with('*') && !text.starts_with('?');
        let (day_bits, weekday_bits) = (bits(days, 1, 31, &[])?, bits(weekdays, 0, 6, &DAYS)?);
        Some(Self {
            minutes: bits(minutes, 0, 59, &[])?,
            hours: bits(hours, 0, 23, &[])?,
            days: given(days).then_some(day_bits),
            months: bits(months, 1, 12, &MONTHS)?,
            weekdays: given(weekdays).then_some(weekday_bits),
        })
    }

    fn begins_at(&self, at: DateTime) -> bool {
        let has = |bits: u64, value: i8| (bits >> value) & 1 == 1;
        let day = self.days.map(|days| has(days, at.day()));
        let weekday = self.weekdays.map(|days| has(days, at.weekday().to_sunday_zero_offset()));
        let is_day = match (day, weekday) {
            (None, None) => true,
            (Some(day), None) => day,
            (None, Some(weekday)) => weekday,
            (Some(day), Some(weekday)) => day || weekday,
        };
        is_day && has(self.minutes, at.minute()) && has(self.hours, at.hour()) && has(self.months, at.month())
    }
}

/// The values of a field, as bits.
fn bits(text: &str, least: u32, most: u32, names: &[&str]) -> Option<u64> {
    text.split(',').map(|part| range(part, least, most, names)).try_fold(0, |all, bits| Some(all | bits?))
}

fn range(text: &str, least: u32, most: u32, names: &[&str]) -> Option<u64> {
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
        None => (text, None),
    };
    let value = |text: &str| {
        let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
        let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + least);
        named.or_else(|| text.parse().ok()).filter(|value| (least..=most).contains(value))
    };
    let (from, to) = match range.split_once('-') {
        _ if range == "*" || range == "?" => (least, most),
        Some((from, to)) => (value(from)?, value(to)?),
        // `5/15` goes on to the end
        None if step.is_some() => (value(range)?, most),
        None => (value(range)?, value(range)?),
    };
    let step = usize::try_from(step.unwrap_or(1)).ok()?;
    Some((from..=to).step_by(step).fold(0, |bits, value| bits | 1 << value))
}
