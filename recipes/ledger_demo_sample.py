"""An invented hospital's ledger: a seeded sample of its lines, and the list of categories they belong to.

    python -m recipes.ledger_demo_sample FOLDER [--rows 5000] [--seed 17]

Invented vendors, plausible words. What a buyer writes hints at the category in several ways of saying the same
thing; ledger descriptions are shared by neighbouring categories, vendors sell several, memos are often missing or
say nothing, and department and amount settle some of the rest. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SMALLEST = 200

# division: departments. Three divisions have an Administration of their own.
DIVISIONS = {
    "Surgery": ("Theatres", "Day Surgery", "Anaesthetics", "Surgical Wards", "Administration"),
    "Medicine": ("Cardiology", "Oncology", "Renal", "Acute Medicine", "Administration"),
    "Women and Children": ("Maternity", "Paediatrics", "Neonatal Unit"),
    "Diagnostics": ("Radiology", "Pathology", "Pharmacy", "Outpatients"),
    "Operations": ("Estates", "Catering", "Linen Services", "Portering", "Housekeeping"),
    "Corporate": ("Finance", "Information Technology", "Human Resources", "Legal", "Administration"),
}

# What each trade sells. A trade: its vendors; then one line per category:
# name | ledger description (shared by neighbours) | departments | usual amount | ways of saying it, the commonest first
TRADES = """
Calder Pharma; Wrenfield Healthcare; Northmoor Wholesale; Ashby Medicines; Ostrava Biologics
Oncology drugs | Drugs | Oncology, Pharmacy | 2400 | chemotherapy infusion bags; cytotoxic vials; cancer drugs; tumour therapy doses; monoclonal antibody; oncology cytotoxics; chemo compounding
Antibiotics | Drugs | Pharmacy, Acute Medicine, Paediatrics | 180 | antibiotic tablets; amoxicillin caps; iv anti-infectives; antibacterial suspension; penicillin vials; vancomycin; antimicrobial stock
Anaesthetic agents | Drugs and Gases | Anaesthetics, Theatres | 420 | propofol ampoules; sevoflurane bottles; anaesthetic gas; general anaesthesia agents; sedation drugs; induction agent; lidocaine
Vaccines | Drugs and Gases | Paediatrics, Outpatients | 310 | flu vaccine doses; immunisation stock; influenza jabs; hepatitis b vaccine; childhood inoculation; mmr doses; vaccination supply
Holm Surgical; Kestrel Medical; Brightwater Devices; Sarn Orthopaedics; Tamar Theatre Supply
Sutures and staples | Medical Surgical Supplies | Theatres, Surgical Wards, Maternity | 95 | absorbable sutures; skin stapler; wound closure strips; surgical thread; polypropylene stitches; ligating clips; suture packs
Orthopaedic implants | Implants and Instruments | Theatres | 3900 | hip prosthesis; knee replacement set; bone screws and plates; titanium femoral stem; joint implant; acetabular cup; spinal rods
Surgical instruments | Implants and Instruments | Theatres, Day Surgery | 640 | forceps and clamps; scalpel handles; retractor set; laparoscopic scissors; instrument tray; needle holders; reusable theatre tools
Gloves and gowns | Medical Surgical Supplies | Surgical Wards, Theatres, Housekeeping | 60 | nitrile gloves; isolation gowns; face masks; protective aprons; examination gloves large; disposable ppe; sterile drapes
Meridian Staffing; CareBridge People; Stellar Locums; Fairhand Personnel; Oakline Resourcing
Agency nursing | Agency Staff | Surgical Wards, Acute Medicine, Neonatal Unit | 880 | agency nurse shifts; registered nurse night cover; temporary rgn; bank nursing hours; band 5 nurse week; ward nurse cover; specialing shifts
Locum doctors | Agency Staff | Acute Medicine, Cardiology, Anaesthetics | 2100 | locum consultant; registrar cover; temporary physician; sho weekend; medical locum hours; interim doctor; on call specialist
Agency therapists | Temporary Staff Other | Outpatients, Paediatrics | 540 | agency physiotherapist; occupational therapist cover; speech therapy sessions; locum physio; temporary ot; rehab therapist hours; dietitian cover
Interpreters | Temporary Staff Other | Outpatients, Maternity | 75 | interpreter booking; sign language session; telephone translation; polish interpreting; translated leaflets; linguist attendance; bsl appointment
Purewave Services; Dunmore Facilities; Castle Linen; Greenfold Environmental; Lowry Support
Laundry and linen | Hotel Services | Linen Services, Surgical Wards | 330 | linen hire; bed sheets laundered; towels and blankets; washing of theatre scrubs; uniform laundry; pillowcases; soiled textile wash
Cleaning services | Hotel Services | Housekeeping, Administration | 410 | ward deep clean; domestic cleaning; floor polishing; window washing; janitorial contract; disinfection of rooms; sanitising crew
Clinical waste disposal | Waste and Hygiene | Portering, Theatres | 260 | sharps bins collection; clinical waste bags; incineration; hazardous disposal; yellow bag uplift; infectious refuse; cytotoxic bin exchange
Pest control | Waste and Hygiene | Estates, Catering | 120 | rodent bait; pest inspection; wasp nest removal; mouse traps; insect treatment; bird proofing; vermin call out
Auralis Imaging; Vantage Scan; Halden Radiology; Quayside Medical Systems; Lumen Diagnostics
Imaging equipment maintenance | Diagnostic Services | Radiology, Estates | 5200 | mri service contract; ct scanner repair; x-ray tube replacement; cath lab maintenance; gantry fault visit; magnet cold head; scanner upkeep
Contrast media | Radiology Supplies | Radiology, Cardiology | 290 | iodinated contrast; gadolinium syringes; contrast medium; barium suspension; angiography dye; iohexol bottles; mr contrast agent
Ultrasound consumables | Radiology Supplies | Radiology, Maternity | 45 | ultrasound gel; probe covers; transducer sheaths; sonography paper; scanning gel; echo probe wipes; thermal print roll
Radiology reporting | Diagnostic Services | Radiology | 1500 | teleradiology reads; outsourced scan reporting; overnight ct reports; film reading; radiologist second opinion; remote image interpretation; mri reports
Corvid Software; Netherby Systems; Pinnacle Computing; Tolland Telecom; Redgate Digital
Software licences | Computer Software and Services | Information Technology, Finance | 3100 | annual licence; software subscription; user seats renewal; patient record system licence; application maintenance fee; saas renewal; database edition
Computer hardware | Computer Equipment | Information Technology, Administration | 760 | laptops; desktop pcs; monitors and docks; server blade; barcode scanners; tablet devices; keyboards
Telephony | Computer Equipment | Information Technology, Outpatients | 210 | phone line rental; mobile tariff; pager airtime; voip handsets; switchboard calls; sim cards; telephone charges
IT consultancy | Computer Software and Services | Information Technology | 4300 | interface developer days; project manager day rate; system integration; data migration; cyber security review; technical architect; implementation advice
Hearth Catering; Millstone Foods; Verdant Kitchens; Clearspring Drinks; Nutrivia
Patient catering | Provisions | Catering, Surgical Wards | 480 | patient meals; chilled ready meals; bread and milk; ward breakfast; fresh vegetables; frozen fish; puree diet
Vending and hospitality | Hospitality | Catering, Administration | 85 | meeting refreshments; coffee machine; sandwich platter; vending stock; board lunch; biscuits and tea; buffet
Enteral feeds | Provisions | Neonatal Unit, Acute Medicine, Pharmacy | 230 | tube feed; enteral nutrition; infant formula; thickener powder; peg feeding packs; sip supplements; nasogastric feed
Bottled water | Hospitality | Catering, Outpatients | 35 | water cooler bottles; spring water; cooler rental; drinking water delivery; cups for dispenser; still water; bottle deposit
Helix Laboratories; Corona Assays; Bridgeford Bio; Swift Courier; Sanguis Supply
Laboratory reagents | Laboratory Supplies | Pathology | 560 | assay reagents; chemistry analyser kit; staining solution; pcr primers; culture media; immunoassay cartridges; calibrators
Blood products | Laboratory Supplies | Pathology, Theatres, Oncology | 1300 | red cell units; platelets; fresh frozen plasma; albumin; immunoglobulin; transfusion stock; donor blood
Point of care tests | Laboratory Tests and Transport | Acute Medicine, Maternity, Outpatients | 110 | glucose strips; blood gas cartridges; pregnancy tests; lateral flow; bedside troponin; urine dipsticks; near patient testing
Specimen transport | Laboratory Tests and Transport | Pathology, Portering | 65 | courier run; sample collection; specimen delivery; dry ice shipment; histology van; pathology transport; same day bike
Sterling Utilities; Wexcombe Building; Arbour Estates; Crossley Engineering; Marl Water
Electricity and gas | Utilities | Estates | 6800 | electricity supply; gas meter; kwh charges; boiler fuel; power bill; energy consumption; site heating
Water and sewerage | Utilities | Estates | 1900 | water rates; sewerage charge; trade effluent; metered water; drainage levy; wastewater; mains supply
Building repairs | Estates Maintenance | Estates, Theatres, Maternity | 720 | roof repair; plumbing call out; door replacement; painting and plaster; lift breakdown; electrical rewiring; leak fixed
Grounds and gardening | Estates Maintenance | Estates | 240 | grass cutting; hedge trimming; tree surgery; gritting of paths; planting beds; leaf clearance; landscape upkeep
Quillmark Office; Langdale Partners; Tessera Learning; Hobart Legal; Brightpage Print
Stationery and printing | Office Expenses | Administration, Finance, Outpatients | 55 | copier paper; toner; printed leaflets; envelopes; appointment letters; pens and folders; headed paper
Staff training | Staff Related Expenses | Human Resources, Administration | 390 | course fees; life support training; conference place; leadership workshop; e-learning; study day; accreditation exam
Recruitment advertising | Staff Related Expenses | Human Resources | 620 | job advert; vacancy listing; campaign for nurses; candidate search; recruitment fair; hiring notice; careers page
Legal fees | Office Expenses | Legal, Finance | 2700 | solicitor advice; counsel opinion; claim settlement costs; contract review; tribunal representation; litigation; conveyancing
"""

# From the commonest to the rarest; the last two have one row each.
RANKS = (
    *(4, 8, 0, 24, 13, 20, 28, 34, 7, 12, 36, 9, 1, 21, 29, 6, 25, 16, 5, 33),
    *(37, 2, 30, 17, 14, 22, 26, 10, 39, 32, 3, 31, 18, 38, 11, 35, 19, 23, 15, 27),
)
VAGUE_MEMOS = (
    "as per contract",
    "monthly invoice",
    "see attached",
    "urgent order",
    "qtr charge",
    "various items",
    "po call off",
)
VENDOR_TAILS = ("Ltd", "LTD", "Limited", "", "", "plc", "(UK) Ltd", "Group")
UNITS = ("x10", "box", "pk 50", "ea", "case", "qty 4", "", "", "", "")

LEDGER_HEADER = (
    " Transaction ID ",
    "Name",
    "GL Description",
    " MEMO",
    "Department ID",
    "Department  Name",
    "Division Name ",
    "Hospital-System ID",
    "AMOUNT ",
    "Matched Category ID",
)
LIST_HEADER = ("Category ID", " Category NAME ")


@dataclass(frozen=True)
class Category:
    """What the sample knows of a category."""

    id: str
    name: str
    ledger: str
    departments: tuple[str, ...]
    amount: float
    phrases: tuple[str, ...]
    vendors: tuple[str, ...]
    """The trade's vendors, the ones it buys from most first."""


def write_sample(folder: pathlib.Path, rows: int = 5000, seed: int = 17) -> None:
    """Write ledger.csv and categories.csv into a folder; each appears at once and whole.

    Raises:
        ValueError: fewer rows than it takes to have every category.
    """
    if rows < SMALLEST:
        raise ValueError(f"the sample has at least {SMALLEST} rows, not {rows}")
    categories = read_trades()
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(categories)), class_sizes(rows, len(categories)))
    random.shuffle(labels)
    buyers = _Buyers(categories, random)
    ledger = [buyers.line(number, label) for number, label in enumerate(labels.tolist())]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "categories.csv", LIST_HEADER, [(category.id, category.name) for category in categories])
    _write(folder / "ledger.csv", LEDGER_HEADER, ledger)


def read_trades() -> list[Category]:
    """The categories, in the order of the table above."""
    categories: list[Category] = []
    vendors: tuple[str, ...] = ()
    for line in TRADES.strip().splitlines():
        if "|" not in line:
            vendors = _split(line, ";")
            continue
        name, ledger, departments, amount, phrases = _split(line, "|")
        turn = len(categories) % 4
        own = vendors[turn:] + vendors[:turn]
        id = f"CAT-{101 + 7 * len(categories)}"
        categories.append(
            Category(id, name, ledger, _split(departments, ","), float(amount), _split(phrases, ";"), own)
        )
    return categories


def class_sizes(rows: int, count: int) -> list[int]:
    """How many rows each category has: two have one, the others fall off as one over their rank."""
    shares = 1 / np.arange(1, count - 1)
    sizes = np.maximum((rows - 2) * shares / shares.sum(), 3).astype(int)
    sizes[0] += rows - 2 - sizes.sum()
    by_rank = [*sizes.tolist(), 1, 1]
    return [by_rank[RANKS.index(category)] for category in range(count)]


class _Buyers:
    """Writes ledger lines the way different people do."""

    def __init__(self, categories: Sequence[Category], random: np.random.Generator) -> None:
        self.categories, self.random = categories, random
        self.places = [(division, name) for division, names in DIVISIONS.items() for name in names]

    def line(self, number: int, label: int) -> tuple[str, ...]:
        category = self.categories[label]
        department = self._department(category)
        return (
            f"T{202400000 + number * 3} ",
            self._vendor(category),
            self._ledger(category, label),
            self._memo(category, label),
            *department,
            f"HS{1 + self._index(4):02d}",
            self._amount(category),
            category.id,
        )

    def _vendor(self, category: Category) -> str:
        place = min(int(self.random.exponential(2.0)), len(category.vendors) - 1)
        name = f"{category.vendors[place]} {self._pick(VENDOR_TAILS)}".strip()
        if self._happens(0.2):
            name = name.upper()
        return f"{name}:{self._index(10**8):08d}" if self._happens(0.15) else name

    def _ledger(self, category: Category, label: int) -> str:
        # Some lines are booked on a neighbour's account.
        text = self._neighbour(label).ledger if self._happens(0.06) else category.ledger
        return text.upper() if self._happens(0.1) else text

    def _memo(self, category: Category, label: int) -> str:
        if self._happens(0.1):
            return ""
        if self._happens(0.16):
            return self._worn(self._pick(VAGUE_MEMOS))
        # Some buyers order two things on one line, and the line is booked as one of them.
        spoken = self._neighbour(label) if self._happens(0.06) else category
        place = min(int(self.random.exponential(2.4)), len(spoken.phrases) - 1)
        return self._worn(f"{spoken.phrases[place]} {self._pick(UNITS)}".strip())

    def _worn(self, text: str) -> str:
        """A text as people type it: a slip, a number, punctuation, capitals."""
        if self._happens(0.25) and len(text) > 6:
            slip = 1 + self._index(len(text) - 2)
            text = text[:slip] + text[slip + 1 :]
        if self._happens(0.3):
            text = f"{self._pick(('PO', 'inv ', 'ref:', '#'))}{self._index(90000) + 10000} {text}"
        if self._happens(0.15):
            text = f"{text}, {self._pick(('ASAP', 'per J. Hale', 'wk 12', chr(34) + 'rush' + chr(34), '2nd del.'))}"
        return text.upper() if self._happens(0.2) else text

    def _department(self, category: Category) -> tuple[str, str, str]:
        if self._happens(0.04):
            return "", "", ""
        if self._happens(0.75):
            wanted = self._pick(category.departments)
            fitting = [place for place in self.places if place[1] == wanted]
        else:
            fitting = self.places
        division, name = fitting[self._index(len(fitting))]
        return f"D{310 + 10 * self.places.index((division, name))}", name, division

    def _amount(self, category: Category) -> str:
        amount = category.amount * float(self.random.lognormal(0, 0.8))
        if self._happens(0.01):
            amount *= 10 ** float(self.random.uniform(2, 4))
        if self._happens(0.03):
            amount = -amount
        return f"{amount:.2f}"

    def _neighbour(self, label: int) -> Category:
        trade = label // 4 * 4
        return self.categories[trade + (label - trade + 1 + self._index(3)) % 4]

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[self._index(len(choices))]

    def _index(self, below: int) -> int:
        return int(self.random.integers(below))

    def _happens(self, share: float) -> bool:
        return bool(self.random.random() < share)


def _split(text: str, by: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(by))


def _write(path: pathlib.Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(text.getvalue().encode())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.ledger_demo_sample", description="Write the ledger sample."
    )
    parser.add_argument("folder", type=pathlib.Path, help="where ledger.csv and categories.csv are written")
    parser.add_argument(
        "--rows", type=int, default=5000, help=f"ledger lines, at least {SMALLEST} (default 5000)"
    )
    parser.add_argument(
        "--seed", type=int, default=17, help="the same seed gives the same bytes (default 17)"
    )
    options = parser.parse_args(arguments)
    if options.rows < SMALLEST:
        parser.error(f"--rows is at least {SMALLEST}")
    write_sample(options.folder, options.rows, options.seed)
    print(f"{options.folder}: ledger.csv with {options.rows:,} lines, categories.csv")


if __name__ == "__main__":
    main()
