//! Turns Markdown into a manual page, so that the docs are written once.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A page with this title line, one line about its subject, and the text. A list before the first
/// section is a table of contents and left out.
pub fn page(title: [&str; 5], about: &str, text: &str) -> String {
    let mut page = Page::default();
    page.roff.control("TH", title);
    page.roff.control("SH", ["NAME"]).text([roman(format!("{} - {about}", title[0]))]);
    page.roff.control("SH", ["DESCRIPTION"]);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        page.take(event);
    }
    page.roff.render()
}

#[derive(Default)]
struct Page<'a> {
    roff: Roff,
    /// The text of the current block, which is not in the page yet.
    line: Vec<Inline>,
    /// The style of the current text, if it is not code.
    style: Option<Tag<'a>>,
    /// The open lists: the next number of each, or `None` for bullets.
    lists: Vec<Option<u64>>,
    headers: Vec<String>,
    cells: Vec<Vec<Inline>>,
    code: Option<String>,
    in_section: bool,
}

impl<'a> Page<'a> {
    fn take(&mut self, event: Event<'a>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match (&mut self.code, &self.style) {
                (Some(code), _) => code.push_str(&text),
                (None, Some(Tag::Strong)) => self.line.push(bold(text)),
                (None, Some(_)) => self.line.push(italic(text)),
                (None, None) => self.line.push(roman(text)),
            },
            Event::Code(text) => self.line.push(bold(text)),
            Event::SoftBreak | Event::HardBreak => self.line.push(roman(" ")),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'a>) {
        match tag {
            Tag::Paragraph if self.lists.is_empty() => _ = self.roff.control("PP", []),
            Tag::CodeBlock(_) => self.code = Some(String::new()),
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                let (label, width) = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        (format!("{}.", *number - 1), "3")
                    }
                    _ => (r"\(bu".to_owned(), "2"),
                };
                if self.in_section {
                    self.roff.control("IP", [label.as_str(), width]);
                }
            }
            Tag::Strong | Tag::Emphasis => self.style = Some(tag),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.heading(level),
            TagEnd::Paragraph | TagEnd::Item => self.flush(),
            TagEnd::List(_) => _ = self.lists.pop(),
            TagEnd::Strong | TagEnd::Emphasis => self.style = None,
            TagEnd::CodeBlock => self.code_block(),
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.line);
                self.cells.push(cell);
            }
            TagEnd::TableHead => {
                self.headers = self.cells.drain(..).map(|cell| plain(&cell)).collect();
            }
            TagEnd::TableRow => self.row(),
            _ => {}
        }
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        let in_contents = !self.lists.is_empty() && !self.in_section;
        if !line.is_empty() && !in_contents {
            self.roff.text(line);
        }
    }

    fn heading(&mut self, level: HeadingLevel) {
        let text = plain(&std::mem::take(&mut self.line));
        match level {
            // The page already has a title.
            HeadingLevel::H1 => {}
            HeadingLevel::H2 => {
                self.in_section = true;
                self.roff.control("SH", [text.to_uppercase().as_str()]);
            }
            _ => _ = self.roff.control("SS", [text.as_str()]),
        }
    }

    fn code_block(&mut self) {
        self.roff.control("PP", []).control("RS", ["4"]).control("nf", []);
        for line in self.code.take().unwrap_or_default().lines() {
            self.roff.text([roman(line)]);
        }
        self.roff.control("fi", []).control("RE", []);
    }

    /// Writes a row as a term and its definition: the docs' tables are too wide for a terminal.
    fn row(&mut self) {
        let mut cells = std::mem::take(&mut self.cells).into_iter();
        self.roff.control("TP", []).text(cells.next().unwrap_or_default());
        let labelled = self.headers.len() > 2;
        let mut line = Vec::new();
        for (cell, header) in cells.zip(self.headers.iter().skip(1)) {
            if cell.is_empty() {
                continue;
            }
            if !line.is_empty() {
                line.push(roman("; "));
            }
            if labelled && !header.is_empty() {
                line.push(roman(format!("{header}: ")));
            }
            line.extend(cell);
        }
        self.roff.text(line);
    }
}

fn plain(line: &[Inline]) -> String {
    let text = |inline: &Inline| match inline {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.clone(),
        Inline::LineBreak => " ".to_owned(),
    };
    line.iter().map(text).collect()
}
