"""The notation: words with their places, statements, blocks, and their rows of the vocabulary."""

import unittest

from gen import match, reader, vocab


def read(text):
    problems = reader.Problems()
    return reader.read("x.spec", text, problems), problems.items


def words(text):
    """The words of the only statement."""
    (statement,), problems = read(text)
    assert not problems, problems
    return statement.words


def matched(text, parent):
    problems = reader.Problems()
    (statement,) = reader.read("x.spec", text, problems)
    row = match.row_of(statement, parent, problems)
    return row and match.match(statement, row, problems), problems.items


class Words(unittest.TestCase):
    def test_numbers(self):
        for text, value in (("12", 12), ("-1", -1), ("0x7f", 127), ("2^63", 2**63),
                            ("2^63-1", 2**63 - 1), ("2^64-1", 2**64 - 1), ("0", 0)):
            with self.subTest(text):
                (word,) = words(text)
                self.assertEqual(("number", value), (word.kind, word.value))

    def test_a_version_stays_text_so_that_3_10_is_not_3_1(self):
        (word,) = words("3.10")
        self.assertEqual(("version", "3.10"), (word.kind, word.value))

    def test_names(self):
        for text in ("ttl", "frame.v3.size", "Socket-Type", "C'", "_x", "u64be"):
            with self.subTest(text):
                (word,) = words(text)
                self.assertEqual(("name", text), (word.kind, word.value))

    def test_words_that_bite_in_yaml_are_names(self):
        self.assertEqual(["NULL", "on", "no", "yes", "off"],
                         [word.value for word in words("NULL on no yes off")])

    def test_a_range_is_three_words(self):
        self.assertEqual(["0", "..", "2^31-1"], [word.text for word in words("0..2^31-1")])
        self.assertEqual(["1", "..", "max_x"], [word.text for word in words("1..max_x")])

    def test_a_text_may_hold_anything_but_its_quote(self):
        (word,) = words('"RFC 37; { # § }"')
        self.assertEqual("RFC 37; { # § }", word.value)

    def test_places_count_from_one(self):
        (first, second), _ = read("a : u8\n\n  bb -> ccc  # why\n")
        self.assertEqual([(1, 1, 1), (1, 3, 1), (1, 5, 2)], places(first.words))
        self.assertEqual([(3, 3, 2), (3, 6, 2), (3, 9, 3)], places(second.words))
        self.assertEqual("x.spec:3:9", str(second.words[2].where))

    def test_a_tab_is_one_column(self):
        self.assertEqual([(1, 2, 1)], places(words("\ta")))

    def test_line_ends_of_other_systems_count_as_one(self):
        (first, second), problems = read("a\r\nb\r\n")
        self.assertEqual([], problems)
        self.assertEqual([(2, 1, 1)], places(second.words))

    def test_a_cover_spans_words_of_its_first_line(self):
        self.assertEqual(8, reader.cover(words("aa bb cc")).width)
        self.assertEqual(4, reader.cover(words("[ aa\nbbbbbbb ]")[:3]).width)


def places(found):
    return [(word.where.line, word.where.column, word.where.width) for word in found]


class Statements(unittest.TestCase):
    def test_a_statement_ends_with_its_line_or_a_semicolon(self):
        for text in ("a 1\nb 2", "a 1 ; b 2", "a 1;b 2\n", "\n\na 1\n;\nb 2"):
            with self.subTest(text):
                found, problems = read(text)
                self.assertEqual([], problems)
                self.assertEqual([["a", "1"], ["b", "2"]],
                                 [[word.text for word in s.words] for s in found])

    def test_newlines_in_brackets_do_not_count(self):
        self.assertEqual(5, len(words("a [\n 1\n ] b")))

    def test_blocks_nest_and_may_be_empty(self):
        (outer,), problems = read("a { b { c ; d } ; e { } }")
        self.assertEqual([], problems)
        self.assertEqual(["b", "e"], [child.words[0].text for child in outer.children])
        self.assertEqual(["c", "d"], [child.words[0].text for child in outer.children[0].children])
        self.assertEqual([], outer.children[1].children)
        self.assertIsNone(outer.children[0].children[0].children)

    def test_a_block_ends_at_its_brace(self):
        (outer,), _ = read("a {\n  b\n}\n")
        self.assertEqual((3, 1), (outer.end.line, outer.end.column))

    def test_documentation_belongs_to_the_next_statement(self):
        (first, second), problems = read("/// One.\n/// Two.\na\nb\n")
        self.assertEqual([], problems)
        self.assertEqual(("One.\nTwo.", ""), (first.doc, second.doc))

    def test_an_empty_file_has_no_statement(self):
        for text in ("", "\n\n", "# nothing\n", "   "):
            self.assertEqual(([], []), read(text))


class Recovery(unittest.TestCase):
    def test_several_mistakes_are_told_at_once(self):
        found, problems = read("a § b\nc ¤ d\ne\n")
        self.assertEqual([(1, 3), (2, 3)], [(p.where.line, p.where.column) for p in problems])
        self.assertEqual([2, 2, 1], [len(statement.words) for statement in found])

    def test_an_open_bracket_does_not_swallow_what_follows_its_block(self):
        found, problems = read("a { b [1 }\nc\n")
        self.assertEqual(["unclosed"], [p.lint for p in problems])
        self.assertEqual(["a", "c"], [statement.words[0].text for statement in found])

    def test_any_text_is_read_to_its_end(self):
        """Every prefix of a file with all there is, and each with one octet turned."""
        whole = '/// D\na { b : u8[1..2^4-1] "t" -> c ; (x, y) = 0x1f }\n# e\nversions 3.0\n'
        for cut in range(len(whole)):
            for turned in ("", "}", "]", '"', "\n", "§"):
                read(whole[:cut] + turned)
                read(whole[:cut] + turned + whole[cut + 1:])

    def test_a_number_beyond_all_reason_is_refused_at_once(self):
        _, problems = read("a 2^99999999999")
        self.assertEqual(["overflow"], [p.lint for p in problems])


class Report(unittest.TestCase):
    def test_the_mark_stands_under_the_place_also_behind_tabs(self):
        problem = reader.Problem(reader.Where("x.spec", 1, 3, 3), "size", "wrong; mend it")
        self.assertEqual(
            "x.spec:1:3: error: wrong; mend it\n    1 | \ta abc d\n      | \t ^~~\n  lint: size",
            reader.show(problem, ["\ta abc d"]))

    def test_the_same_refusal_is_told_once(self):
        problems = reader.Problems()
        for _ in range(2):
            problems.add(reader.Where("x.spec", 1, 1), "size", "wrong")
        self.assertEqual(1, len(problems.items))


class Vocabulary(unittest.TestCase):
    def test_options_come_in_any_order(self):
        one, _ = matched("context : bytes[0..16] length u8 quirk q", "command")
        other, _ = matched("context : bytes[0..16] quirk q length u8", "command")
        self.assertEqual(one["length"].text, other["length"].text)
        self.assertEqual(sorted(one), sorted(other))

    def test_names_of_a_list_may_have_commas(self):
        for text in ("commands READY, ERROR", "commands READY ERROR"):
            found, problems = matched(text, "mechanism")
            self.assertEqual([], problems)
            self.assertEqual(["READY", "ERROR"], [word.text for word in found.fixed[0]])

    def test_parentheses_let_a_statement_go_over_lines_and_mean_nothing_else(self):
        line, _ = matched("PUSH code 8 peers PULL SUB mute drop", "sockets")
        lines, problems = matched("PUSH code 8 (peers PULL\n    SUB) mute (drop)", "sockets")
        self.assertEqual(problems, [])
        self.assertEqual([word.text for word in lines["peers"]], ["PULL", "SUB"])
        self.assertEqual(lines["mute"].text, line["mute"].text)
        self.assertEqual(lines.keys(), line.keys())

    def test_places_of_options_are_those_of_their_values(self):
        found, problems = matched("ttl : u16be in 0..9 unit 100 ms", "command")
        self.assertEqual([], problems)
        where = found.at["in"]
        self.assertEqual((16, 4), (where.column, where.width))
        where = found.at["unit"]
        self.assertEqual((26, 6), (where.column, where.width))

    def test_a_near_word_is_offered_and_a_far_one_gets_the_list(self):
        self.assertEqual("; did you mean 'length'?", match.nearest("lenght", ["length", "limit"]))
        self.assertEqual("; known here: a, b", match.nearest("xyz", ["b", "a"]))
        self.assertEqual("; known here: nothing", match.nearest("xyz", []))

    def test_every_row_can_be_reached_and_has_a_description(self):
        keys = {row.key for row in vocab.ROWS if row.key != "NAME"} | {"file", "field"}
        for row in vocab.ROWS:
            with self.subTest(row.key):
                self.assertTrue(row.doc.endswith("."))
                self.assertLessEqual(set(row.parents), keys)


if __name__ == "__main__":
    unittest.main()
