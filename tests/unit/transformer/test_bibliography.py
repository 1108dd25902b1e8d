"""Title, authors, year, language, keywords and summary, one rule a test."""

from __future__ import annotations

import pytest

from services.transformer import dates, keywords, language, people, summary, titles
from tests.unit.transformer.documents import PROSE, read


@pytest.mark.parametrize(
    ("page", "metadata", "title"),
    [
        ("### Commune de X\n\n# Projet de centrale\n\n## Etude", "Microsoft Word - a.docx", "Projet de centrale"),
        ("# Creativity in Learning\n\nAnn Onym", "Art in Learning", "Creativity in Learning"),
        (
            "# CASA MERIDIAN\n\n## Design Catalogue 2025",
            "CASA MERIDIAN Design Catalogue 2025",
            "CASA MERIDIAN Design Catalogue 2025",
        ),
        ("## NIST SP 800-223\n\n# HPC Security\n\n### Posture", "HPC (x) Security and Posture", "HPC Security Posture"),
        ("# Contents\n\n# 1 Foo\n\n# 2 Bar", "", ""),
        ("# A study of the\n\n# upper valley", "untitled", "A study of the upper valley"),
        ("some text only in lower case without a heading", "Report on Otters", "Report on Otters"),
        ("# 32 Track Recorder\n\n## FAST FORWARD controls", "", "32 Track Recorder"),
        ("", "scan0001", ""),
    ],
)
def test_the_printed_title_wins_and_metadata_only_helps(page: str, metadata: str, title: str) -> None:
    assert titles.find(read(page, title=metadata)) == title


@pytest.mark.parametrize(
    "junk",
    ["Microsoft Word - x.doc", "untitled", "paper_final.pdf", "indictb1h_14", "2.3.59", "Presentación de PowerPoint"],
)
def test_application_defaults_and_file_names_are_no_titles(junk: str) -> None:
    assert titles.is_junk(junk)


@pytest.mark.parametrize(
    ("under", "authors"),
    [
        ("Peter Jansen∗‡, Marc-Alexandre Côté†, Tushar Khot∗", ["Peter Jansen", "Marc-Alexandre Côté", "Tushar Khot"]),
        ("W. N. Venables, D. M. Smith\nand the R Core Team", ["W. N. Venables", "D. M. Smith"]),
        ("Jaime Raymond, MPH\n\nWilliam Wheeler, PhD", ["Jaime Raymond", "William Wheeler"]),
        ("von Anna Müller und Jörg van der Berg", ["Anna Müller", "Jörg van der Berg"]),
        ("Ada Lovelace1, Bo Ek2\n\n1University of Somewhere\n2Institute of Things", ["Ada Lovelace", "Bo Ek"]),
        ("Fabio Fiorina Simon Josefsson Nikos Mavros (a@b.org)", ["Fabio Fiorina", "Simon Josefsson", "Nikos Mavros"]),
        ("Department of Transportation\n\nFederal Aviation Administration", []),
        (
            "This is a paragraph that only mentions Ada Lovelace and goes on about other things, so it is "
            "no line of authors at all.",
            [],
        ),
    ],
)
def test_names_under_the_title_are_the_authors(under: str, authors: list[str]) -> None:
    assert (
        people.find(read(f"# A title of a paper\n\n{under}\n\n## Abstract\n\n{PROSE}"), "A title of a paper") == authors
    )


@pytest.mark.parametrize(
    ("author", "authors"),
    [
        ("Yang Guo;Lowell Wofford", ["Yang Guo", "Lowell Wofford"]),
        ("office-2007", []),
        ("user", []),
        ("r.salles", []),
        ("Lovelace, Ada", ["Ada Lovelace"]),
        ("Centers for Medicare & Medicaid Services", ["Centers for Medicare & Medicaid Services"]),
        ("김창호", ["김창호"]),
        ("Atsushi Shimono (日本語訳)", ["Atsushi Shimono"]),
    ],
)
def test_metadata_authors_count_when_they_can_be_authors(author: str, authors: list[str]) -> None:
    assert people.find(read(PROSE, author=author), "") == authors


@pytest.mark.parametrize(
    ("page", "year"),
    [
        ("arXiv:1601.03642v1 [cs.LG] 12 Jan 2016", 2016),
        ("Otters\n\n20 décembre 2022", 2022),
        ("31. Mai 2022", 2022),
        ("Copyright © 2010-2016, 2020 by us. March was cold.", 2020),
        ("Catalogue 2025", 2025),
        ("Form expires 2026-02-28", 2001),
        ("平成26年 2014年3月", 2014),
        ("School years 2003–04 through 2021–22", 2001),
        ("No year at all", 2001),
    ],
)
def test_the_year_comes_from_the_page_before_the_file(page: str, year: int) -> None:
    assert dates.year(read(page, creationDate="D:20010203040506Z"), "") == year


def test_without_any_date_there_is_no_year() -> None:
    assert dates.year(read("Nothing"), "") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The quick brown fox was not seen by the dog that slept in the house.", "en"),
        ("Der Hund hat nicht gesehen, dass die Katze auf dem Dach ist und schläft.", "de"),
        ("Le chien n'a pas vu que le chat est sur le toit de la maison.", "fr"),
        ("El perro no ha visto que el gato está en el techo de la casa.", "es"),
        ("Il cane non ha visto che il gatto è sul tetto della casa.", "it"),
        ("O cão não viu que o gato está no telhado da casa e não desceu.", "pt"),
        ("De hond heeft niet gezien dat de kat op het dak van het huis is.", "nl"),
        ("Hunden har inte sett att katten är på taket och sover där.", "sv"),
        ("Pies nie widział, że kot jest na dachu domu i śpi.", "pl"),
        ("Собака не видела, что кошка спит на крыше этого дома.", "ru"),
        ("犬は猫が屋根の上で寝ているのを見なかった。apt-get update", "ja"),
        ("개는 고양이가 지붕 위에서 자는 것을 보지 못했다.", "ko"),
        ("狗没有看见猫在屋顶上睡觉。", "zh"),
        ("لم ير الكلب أن القطة تنام على سطح البيت.", "ar"),
        ("הכלב לא ראה שהחתול ישן על הגג של הבית.", "he"),
        ("12 34 56", "und"),
    ],
)
def test_language_is_told_by_script_and_function_words(text: str, code: str) -> None:
    assert language.detect(text) == code


@pytest.mark.parametrize(
    "line",
    [
        "Keywords: otters, low water, river valley",
        "**Keywords—**otters; low water; river valley",
        "Index Terms — otters, low water, river valley",
        "## Keywords\n\notters · low water · river valley",
    ],
)
def test_printed_keywords_are_taken_as_they_are(line: str) -> None:
    assert keywords.extract(read(f"{line}\n\n{PROSE}"), PROSE, "en", "") == ["otters", "low water", "river valley"]


def test_statistical_keywords_stand_in_the_text_and_are_no_function_words() -> None:
    found = keywords.rank(PROSE * 3, "en")
    assert 5 <= len(found) <= 12
    assert all(word in PROSE for word in found)
    assert not {"the", "of", "and"} & {word for phrase in found for word in phrase.split()}


def test_east_asian_keywords_are_repeated_runs() -> None:
    found = keywords.rank("连续小波变换的研究。连续小波变换和信号处理。信号处理方法。连续小波变换。" * 3, "zh")
    assert found[:2] == ["连续小波变换", "信号处理"]


def test_the_abstract_is_the_summary() -> None:
    body = read(
        f"# T\n\nSomething else that stands before the abstract and is long enough.\n\nAbstract—{PROSE}\n\nMore."
    )
    assert summary.find(body, "en", "T") == PROSE


def test_without_an_abstract_sentences_of_the_text_are_taken_whole() -> None:
    text = f"{PROSE} Copyright 2020 by the authors of this survey, all rights reserved in every country."
    found = summary.find(read(text), "en", "")
    assert found
    assert "Copyright" not in found
    assert all(part in text for part in found.split(". "))


def test_abbreviations_do_not_end_sentences() -> None:
    text = "We saw tracks, e.g. of otters, near St. Mary and Dr. B. Ek of the U.S. survey in Fig. 3 of last year."
    assert summary.find(read(text), "en", "") == text
