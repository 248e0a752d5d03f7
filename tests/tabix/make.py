"""Makes the indexed files that `src/tracks/tabix.rs` is tested on, with htslib's own indexer (pysam 0.24.1)."""
import pysam

with open("ruled.bed", "w") as out:
    for chrom, n in (("chr1", 9000), ("chr2", 40), ("chr3", 3000)):
        for i in range(n):
            start = i * 37 + i % 5
            end = start + (90_000 if i % 1000 == 7 else 20 + i % 11)
            out.write(f"{chrom}\t{start}\t{end}\tp{i}\n")
for suffix, csi in ((".tbi", False), (".csi", True)):
    pysam.tabix_compress("ruled.bed", "ruled.bed.gz", force=True)
    pysam.tabix_index("ruled.bed.gz", preset="bed", force=True, csi=csi)
