//! Aligned tables.

use super::Color;
use super::clean;
use super::line::{Line, Tone, paint};

/// Widest cell, except in the last column.
const WIDEST: usize = 48;

/// A table that is filled row by row.
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Row>,
}

struct Row {
    cells: Vec<(Tone, String)>,
    details: Vec<Line>,
}

impl Table {
    /// An empty table.
    pub fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row and lines that stand below it, indented.
    pub fn row(&mut self, cells: Vec<(Tone, String)>, details: Vec<Line>) {
        let last = self.heads.len().saturating_sub(1);
        let cells = cells.into_iter().enumerate().map(|(at, (tone, text))| {
            let text = clean::one_line(&text);
            let text = if at == last { text.into_owned() } else { clean::cut(&text, WIDEST).into_owned() };
            (tone, if text.is_empty() { "–".to_owned() } else { text })
        });
        self.rows.push(Row { cells: cells.collect(), details });
    }

    /// The table as text that ends with a line break.
    pub fn render(&self, color: Color) -> String {
        let widths = self.widths();
        let mut text = String::new();
        let heads: Vec<(Tone, String)> =
            self.heads.iter().map(|head| (Tone::Strong, (*head).to_owned())).collect();
        push_row(&mut text, &heads, &widths, color);
        for row in &self.rows {
            push_row(&mut text, &row.cells, &widths, color);
            for detail in &row.details {
                text += "    ";
                text += &detail.paint(color);
                text.push('\n');
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|head| head.len()).collect();
        for row in &self.rows {
            for (width, (_, text)) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(clean::width(text));
            }
        }
        widths
    }
}

fn push_row(text: &mut String, cells: &[(Tone, String)], widths: &[usize], color: Color) {
    for (at, ((tone, cell), width)) in cells.iter().zip(widths).enumerate() {
        text.push_str(&paint(cell, *tone, color));
        if at + 1 < cells.len() {
            text.extend(std::iter::repeat_n(' ', width - clean::width(cell) + 2));
        }
    }
    text.push('\n');
}
