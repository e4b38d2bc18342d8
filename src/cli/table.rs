//! Text in columns.

/// Rows under a header, columns as wide as their widest cell, two spaces between; columns whose header begins with `<` to the left, the others to the
/// right. The header is printed without that mark.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let title = |c: usize| header[c].trim_start_matches('<');
    let wide = |text: &str| text.chars().count();
    let width = |c: usize| rows.iter().map(|r| wide(&r[c])).chain([wide(title(c))]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let cell = |(c, text): (usize, &&str)| match header[c].starts_with('<') {
            true => format!("{text:<w$}", w = widths[c]),
            false => format!("{text:>w$}", w = widths[c]),
        };
        let joined = cells.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        format!("{}\n", joined.trim_end())
    };
    let titles: Vec<&str> = (0..header.len()).map(title).collect();
    let body = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    std::iter::once(line(&titles)).chain(body).collect()
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_string(), "10.5".to_string()], vec!["long".to_string(), "1".to_string()]];
        assert_eq!(table(&["<name", "ms"], &rows), "name    ms\na     10.5\nlong     1\n");
        assert_eq!(table(&["<name", "ms"], &[]), "name  ms\n");
    }
}
