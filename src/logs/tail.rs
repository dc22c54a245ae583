//! Finds the last lines of a file from its end, however large it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The size of one read, in bytes.
const BLOCK: u64 = 64 << 10;

/// The offset at which the last `count` lines of `file` begin.
pub fn start_of_last_lines(file: &File, count: u64) -> io::Result<u64> {
    let end = file.metadata()?.len();
    if count == 0 {
        return Ok(end);
    }
    let mut block = Vec::new();
    // A line feed at the very end finishes the last line and begins no other.
    let mut left = count;
    let mut block_end = end.saturating_sub(1);
    while block_end > 0 {
        let start = (block_end - 1) / BLOCK * BLOCK;
        // At most a block, which fits in any usize.
        block.resize((block_end - start) as usize, 0);
        file.read_exact_at(&mut block, start)?;
        for at in (0..block.len()).rev().filter(|at| block[*at] == b'\n') {
            left -= 1;
            if left == 0 {
                return Ok(start + at as u64 + 1);
            }
        }
        block_end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, start_of_last_lines};
    use proptest::prelude::*;
    use std::io::Write;

    fn last(text: &[u8], count: u64) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        text[start_of_last_lines(&file, count).unwrap() as usize..].to_vec()
    }

    #[test]
    fn finds_lines_across_blocks() {
        let line = [vec![b'x'; BLOCK as usize - 3], b"\n".to_vec()].concat();
        let text = line.repeat(5);
        for count in 0..7 {
            let expected = line.repeat(count.min(5) as usize);
            assert!(last(&text, count) == expected, "{count} lines");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_split(text in "[ab\n]{0,40}", count in 0..10u64) {
            let lines: Vec<_> = text.split_inclusive('\n').collect();
            let expected = lines[lines.len().saturating_sub(count as usize)..].concat();
            prop_assert_eq!(last(text.as_bytes(), count), expected.as_bytes());
        }
    }
}
