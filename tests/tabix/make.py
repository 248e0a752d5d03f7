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


def pack(name, lines, preset, csi=False):
    """Writes lines (chromosome, start, text) in order of place, packed and indexed."""
    lines = sorted(lines, key=lambda line: (line[0], line[1]))
    with open(name, "w") as out:
        out.writelines(text + "\n" for _, _, text in lines)
    pysam.tabix_compress(name, name + ".gz", force=True)
    pysam.tabix_index(name + ".gz", preset=preset, force=True, csi=csi)


def genes():
    """Genes of two transcripts with three exons; every 50th reaches over 90 kb."""
    for chrom, n in (("chr1", 600), ("chr2", 40)):
        for i in range(n):
            start = i * 700 + i % 7
            step = 30_000 if i % 50 == 3 else 200 + i % 90
            strand = "+-"[i % 2]
            transcripts = [(f"{chrom}T{i}.{t}", [(start + t * 40 + e * step, start + t * 40 + e * step + 60) for e in range(3)])
                           for t in range(2)]
            yield chrom, f"{chrom}G{i}", strand, transcripts


gtf, gff3, exons = [], [], []
for chrom, gene, strand, transcripts in genes():
    def add(lines, kind, start, end, ninth):
        lines.append((chrom, start, f"{chrom}\tmade\t{kind}\t{start + 1}\t{end}\t.\t{strand}\t.\t{ninth}"))

    first, last = transcripts[0][1][0][0], transcripts[-1][1][-1][1]
    add(gtf, "gene", first, last, f'gene_id "{gene}"; gene_name "N{gene}";')
    add(gff3, "gene", first, last, f"ID=gene:{gene};Name=N{gene}")
    for name, pieces in transcripts:
        start, end = pieces[0][0], pieces[-1][1]
        ids = f'gene_id "{gene}"; transcript_id "{name}"; gene_name "N{gene}";'
        add(gtf, "transcript", start, end, ids)
        add(gff3, "mRNA", start, end, f"ID=transcript:{name};Parent=gene:{gene}")
        for start, end in pieces:
            add(gtf, "exon", start, end, ids)
            add(exons, "exon", start, end, ids)
            add(gff3, "exon", start, end, f"Parent=transcript:{name}")
pack("genes.gtf", gtf, "gff")
pack("exons.gtf", exons, "gff")
pack("genes.gff3", gff3, "gff", csi=True)

values = [(chrom, i * 20, f"{chrom}\t{i * 20}\t{i * 20 + 15 + i % 6}\t{(i * 37) % 101 - 20}")
          for chrom, n in (("chr1", 20_000), ("chr2", 1_500)) for i in range(n) if i % 9]
values.append(("chr1", 100_030, "chr1\t100030\t100050\t7"))  # in the one before it
values.append(("chr1", 200_001, "chr1\t200001\t200001\t7"))  # empty
values.append(("chr1", 300_000, "chr1\t300000\t300001\tNA"))
pack("values.bedgraph", values, "bed")
