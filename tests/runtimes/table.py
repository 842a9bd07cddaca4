"""The README's table of runtimes: table.py FILE puts what the tests measured between the file's two markers."""
import json
import pathlib
import sys

BEGIN, END = "<!-- runtimes:begin -->", "<!-- runtimes:end -->"
FOLDER = pathlib.Path(__file__).resolve().parent
RESULTS = FOLDER.parent.parent / "target" / "runtimes" / "results"


def row(result):
    # The log has times of 128 bits, which JSON has as text.
    result = {name: int(value) if str(value).isdigit() else value for name, value in result.items()}
    return "| {title} | {memory_mib} MiB | {boot_ms:,} | {bake_ms:,} | {boot_us:,} | {head_us:,} | {dirty_pages:,} |".format(**result)


def table():
    # In the order of the list that the tests have.
    matrix = (FOLDER / "matrix.rs").read_text()
    results = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    results.sort(key=lambda result: matrix.index(f'row("{result["name"]}"'))
    head = [
        "| runtime | memory | boot to ready, ms | bake, ms | first instruction, µs | head of the response, µs | pages written |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join(head + [row(result) for result in results])


def main(path):
    text = pathlib.Path(path).read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    pathlib.Path(path).write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")


main(sys.argv[1])
