//! The consensus motifs of `assets/motifs.tsv`.

use super::random::Random;

/// What the simulated genome uses a motif for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Its factor is active in every sample.
    Ubiquitous,
    /// Its factor is active in samples of its lineages.
    Lineage,
    /// At the core promoter: raises expression and changes no mark.
    Activator,
    /// At the core promoter: lowers expression and changes no mark.
    Repressor,
    /// Opens chromatin and drives nothing.
    Insulator,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Motif {
    pub(super) name: String,
    pub(super) tf: String,
    pub(super) role: Role,
    /// IUPAC letters, 5' to 3'.
    pub(super) consensus: Vec<u8>,
    /// Indices into [`MotifTable::lineages`].
    pub(super) lineages: Vec<usize>,
}

impl Motif {
    /// Bases of a motif.
    pub(super) fn len(&self) -> u64 {
        self.consensus.len() as u64
    }

    /// An instance: at each place one of the bases its letter allows.
    pub(super) fn draw(&self, random: &mut Random) -> Vec<u8> {
        self.consensus.iter().map(|&letter| *random.pick(bases_of(letter))).collect()
    }

    #[cfg(test)]
    /// Whether `bases` (5' to 3' of the instance's strand) is an instance.
    pub(super) fn matches(&self, bases: &[u8]) -> bool {
        bases.len() == self.consensus.len() && self.consensus.iter().zip(bases).all(|(&l, b)| bases_of(l).contains(b))
    }
}

/// All motifs.
#[derive(Clone, Debug)]
pub(super) struct MotifTable {
    pub(super) motifs: Vec<Motif>,
    /// Kinds of sample, in order of first mention.
    pub(super) lineages: Vec<String>,
}

impl MotifTable {
    /// The table this program carries.
    pub(super) fn bundled() -> Result<Self, String> {
        Self::parse(include_str!("../../assets/motifs.tsv"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self { motifs: Vec::new(), lineages: Vec::new() };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
        for (i, line) in lines.skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let wrong = |reason: &str| format!("motifs.tsv: line {}: {reason}: \"{line}\"", i + 1);
            let [name, tf, role, consensus, lineages] = columns[..] else {
                return Err(wrong("not five columns"));
            };
            let role = match role {
                "ubiquitous" => Role::Ubiquitous,
                "lineage" => Role::Lineage,
                "activator" => Role::Activator,
                "repressor" => Role::Repressor,
                "insulator" => Role::Insulator,
                _ => return Err(wrong("unknown role")),
            };
            if consensus.is_empty() || consensus.bytes().any(|letter| bases_of(letter).is_empty()) {
                return Err(wrong("not IUPAC letters"));
            }
            let mut index = |lineage: &str| {
                let known = table.lineages.iter().position(|l| l == lineage);
                known.unwrap_or_else(|| {
                    table.lineages.push(lineage.to_owned());
                    table.lineages.len() - 1
                })
            };
            let lineages = lineages.split(',').filter(|l| *l != ".").map(&mut index).collect();
            let (name, tf, consensus) = (name.to_owned(), tf.to_owned(), consensus.as_bytes().to_vec());
            table.motifs.push(Motif { name, tf, role, consensus, lineages });
        }
        Ok(table)
    }

    /// Indices of the motifs of a role.
    pub(super) fn of_role(&self, role: Role) -> Vec<usize> {
        (0..self.motifs.len()).filter(|&i| self.motifs[i].role == role).collect()
    }

    /// Indices of the lineage factors' motifs of a lineage.
    pub(super) fn of_lineage(&self, lineage: usize) -> Vec<usize> {
        (0..self.motifs.len()).filter(|&i| self.motifs[i].lineages.contains(&lineage)).collect()
    }
}

/// The bases an IUPAC letter stands for; none for any other character.
fn bases_of(letter: u8) -> &'static [u8] {
    match letter {
        b'A' => b"A",
        b'C' => b"C",
        b'G' => b"G",
        b'T' => b"T",
        b'R' => b"AG",
        b'Y' => b"CT",
        b'S' => b"CG",
        b'W' => b"AT",
        b'K' => b"GT",
        b'M' => b"AC",
        b'B' => b"CGT",
        b'D' => b"AGT",
        b'H' => b"ACT",
        b'V' => b"ACG",
        b'N' => b"ACGT",
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_table_serves_every_role_and_lineage() {
        let table = MotifTable::bundled().unwrap();
        assert!((15..=30).contains(&table.motifs.len()));
        for role in [Role::Ubiquitous, Role::Lineage, Role::Activator, Role::Repressor, Role::Insulator] {
            assert!(!table.of_role(role).is_empty(), "{role:?}");
        }
        assert!(table.lineages.len() >= 6);
        for lineage in 0..table.lineages.len() {
            assert!(table.of_lineage(lineage).len() >= 2, "{}", table.lineages[lineage]);
        }
        let mut names: Vec<&str> = table.motifs.iter().map(|m| m.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table.motifs.len());
    }

    #[test]
    fn an_instance_matches_its_motif_and_a_broken_one_does_not() {
        let table = MotifTable::bundled().unwrap();
        let mut random = Random::new(1, "test");
        for motif in &table.motifs {
            let mut instance = motif.draw(&mut random);
            assert!(motif.matches(&instance));
            let fixed = motif.consensus.iter().position(|l| bases_of(*l).len() == 1).unwrap();
            instance[fixed] = if instance[fixed] == b'A' { b'C' } else { b'A' };
            assert!(!motif.matches(&instance));
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let parse = |line: &str| MotifTable::parse(&format!("name\ttf\trole\tconsensus\tlineages\n{line}\n")).unwrap_err();
        assert!(parse("a\tb\tubiquitous\tACXT\t.").contains("line 2: not IUPAC letters"));
        assert!(parse("a\tb\tboss\tACGT\t.").contains("unknown role"));
        assert!(parse("a b").contains("five columns"));
    }
}
