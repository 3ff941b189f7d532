"""Class names to question categories."""

from __future__ import annotations

import json

import pytest

from ocr_hf.scenes.categories import STRUCTURE, Categories, words_of


@pytest.mark.parametrize(
    ("class_name", "words"),
    [
        ("ChairA_01_001", "chair"),
        ("SeatBedSide", "seat bed side"),
        ("KitchenUtensils", "kitchen utensils"),
        ("TVCabinet", "tv cabinet"),
        ("TV", "tv"),
        ("office-chair.002", "office chair"),
        ("42", ""),
        ("Bett groß", "bett groß"),
        ("Bett_größe", "bett größe"),
        ("GroßesBett_02", "großes bett"),
        ("Canape\u0301", "canapé"),  # as macOS writes it
        ("Tv é", "tv é"),
        ("LámparaDeMesa", "lámpara de mesa"),
        ("lit d'enfant", "lit d'enfant"),
        ("Стол_3", "стол"),
        ("КНИЖНЫЙШкаф", "книжный шкаф"),
        ("Καναπές.001", "καναπές"),
        ("椅子_1", "椅子"),
        ("木 床", "木 床"),
        ("テーブル・小", "テーブル 小"),
        ("의자_12", "의자"),
        ("कुर्सी_1", "कुर्सी"),
        ("كرسي_٣", "كرسي"),
        ("میز\u200cتحریر", "میز\u200cتحریر"),
        ("כיסא 2", "כיסא"),
        ("เก้าอี้_01", "เก้าอี้"),
        ("İskemle_A", "iskemle"),
        ("ĐènBàn", "đèn bàn"),
    ],
)
def test_class_names_fall_into_words(class_name, words):
    assert words_of(class_name) == words


@pytest.mark.parametrize(
    ("class_name", "category"),
    [
        ("ChairA", "chair"),
        ("SofaC", "sofa"),
        ("SeatBedSide", "nightstand"),
        ("CoffeeTable", "table"),
        ("GardenChair", "chair"),
        ("FloorLamp", "lamp"),
        ("FloorB", STRUCTURE),
        ("HouseWallB", STRUCTURE),
        ("RoomWindow", "window"),
        ("FoldingDoor", "door"),
        ("WashingMachine", "washer"),
        ("Television", "tv"),
    ],
)
def test_known_classes(class_name, category):
    categories = Categories.load(None)
    assert categories.of(class_name) == category
    assert not categories.unmapped


def test_unknown_classes_keep_their_words_and_are_noted():
    categories = Categories.load(None)
    assert categories.of("FluxCapacitorB") == "flux capacitor"
    assert categories.of("12") == "12"
    assert categories.unmapped == {"FluxCapacitorB", "12"}
    assert not Categories.load(None).unmapped


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".csv", ".tsv"])
def test_files_are_laid_over_the_defaults(tmp_path, suffix):
    path = tmp_path / f"labels{suffix}"
    texts = {
        ".csv": "\ufeffclass,category\nFluxCapacitor,Heater\n\nChairA,\n",
        ".tsv": "FluxCapacitor\tHeater\nChairA\t\n",
    }
    entries = json.dumps({"FluxCapacitor": "Heater", "ChairA": None})
    path.write_text(texts.get(suffix, entries), encoding="utf-8")
    categories = Categories.load(path)
    assert categories.of("FluxCapacitorB_03") == "heater"
    assert categories.of("ChairD") == STRUCTURE  # variants share the class's words
    assert categories.of("Sofa") == "sofa"


def test_what_a_table_names_for_nothing_is_noted():
    categories = Categories.load({"Stuhl": "chair", "Mur": "wall", "Stol": "stool", "Ding": "gizmo", "7": "Lamp"})
    assert (
        categories.of("Stuhl_01") == "chair" and categories.of("Mur.002") == STRUCTURE and categories.of("7") == "lamp"
    )
    assert categories.unused == {"Stol", "Ding"}
    assert categories.unknown == {"gizmo"}


def test_a_numbered_name_is_one_node_and_others_are_all_of_their_class():
    categories = Categories.load({"Object_12": "sofa", "Object_3": "chair", "Teil": "lamp"})
    names = {"Object_12": "sofa", "Object_3": "chair", "Object_4": "object", "Teil_7": "lamp"}
    assert {name: categories.of(name.rpartition("_")[0], name) for name in names} == names
    assert not categories.unused


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        ("json", "[1, 2]", "holds a list"),
        ("json", '{"Chair": 3}', "'Chair': 3"),
        ("json", '{"Chair": " "}', "'Chair': ' '"),
        ("json", '{"Chair": ', "line 1"),
        ("yaml", "a: [", "labels.yaml is not YAML"),
        ("csv", "Chair,sofa,3", "line 1 has 3 cells; give two"),
        ("csv", "Chair,sofa\nTable\n", "line 2 has 1 cells"),
        ("tsv", "Chair\tsofa\nChair\tbed\n", "line 2: 'Chair' stands there twice"),
    ],
)
def test_mistakes_are_named(tmp_path, suffix, text, message):
    path = tmp_path / f"labels.{suffix}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Categories.load(path)


def test_a_table_that_is_not_there_or_not_utf8_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.csv is not there"):
        Categories.load(tmp_path / "none.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes("Bett groß,bed".encode("latin-1"))
    with pytest.raises(ValueError, match="latin.csv is not UTF-8 at byte 8"):
        Categories.load(path)
