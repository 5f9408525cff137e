//! The table that is printed in the end.

/// Whether a goal is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Met,
    Missed,
    /// There is no goal for it.
    Told,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Met => "yes",
            Verdict::Missed => "NO",
            Verdict::Told => "",
        }
    }
}

/// One line.
struct Row {
    what: String,
    measured: String,
    goal: String,
    verdict: Verdict,
}

/// The lines by section.
#[derive(Default)]
pub struct Table {
    sections: Vec<(&'static str, &'static str, Vec<Row>)>,
}

impl Table {
    /// Begins a section.
    pub fn section(&mut self, name: &'static str, title: &'static str) {
        self.sections.push((name, title, Vec::new()));
    }

    /// Something that has a goal.
    pub fn goal(&mut self, what: &str, measured: &str, goal: &str, met: bool) {
        let verdict = if met { Verdict::Met } else { Verdict::Missed };
        self.add(what, measured, goal, verdict);
    }

    /// A ratio that has to be no greater than `most`.
    pub fn at_most(&mut self, what: &str, ratio: f64, most: f64) {
        self.goal(what, &format!("{ratio:.2} ×"), &format!("≤ {most} ×"), ratio <= most);
    }

    /// Something that has none.
    pub fn tell(&mut self, what: &str, measured: &str) {
        self.add(what, measured, "", Verdict::Told);
    }

    fn add(&mut self, what: &str, measured: &str, goal: &str, verdict: Verdict) {
        let row =
            Row { what: what.to_owned(), measured: measured.to_owned(), goal: goal.to_owned(), verdict };
        eprintln!("    {}: {} {}", row.what, row.measured, row.verdict.word());
        if let Some((_, _, rows)) = self.sections.last_mut() {
            rows.push(row);
        }
    }

    /// For a terminal.
    pub fn print(&self) {
        let width = |text: &str| text.chars().count();
        let rows = || self.sections.iter().flat_map(|(_, _, rows)| rows);
        let what = rows().map(|row| width(&row.what)).max().unwrap_or(0);
        let measured = rows().map(|row| width(&row.measured)).max().unwrap_or(0);
        let goal = rows().map(|row| width(&row.goal)).max().unwrap_or(0);
        for (name, title, rows) in &self.sections {
            println!("({name}) {title}");
            for row in rows {
                let line = format!(
                    "    {:what$}  {:>measured$}  {:goal$}  {}",
                    row.what,
                    row.measured,
                    row.goal,
                    row.verdict.word()
                );
                println!("{}", line.trim_end());
            }
        }
        println!("{}", self.sum());
    }

    /// For the README.
    pub fn print_markdown(&self) {
        println!("| | measured | goal | met |\n|---|---:|---|---|");
        for (name, title, rows) in &self.sections {
            println!("| **({name}) {title}** | | | |");
            for row in rows {
                let word = row.verdict.word().replace("NO", "**no**");
                println!("| {} | {} | {} | {word} |", row.what, row.measured, row.goal);
            }
        }
        println!("\n{}", self.sum());
    }

    fn sum(&self) -> String {
        let count = |verdict| {
            self.sections.iter().flat_map(|(_, _, rows)| rows).filter(|row| row.verdict == verdict).count()
        };
        let (met, missed) = (count(Verdict::Met), count(Verdict::Missed));
        format!("{met} of {} goals are met.", met + missed)
    }
}
