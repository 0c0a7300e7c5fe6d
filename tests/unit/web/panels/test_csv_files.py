from itertools import count

from gateway.web.panels.csv_files import LINES_AT_ONCE, csv_line, csv_response

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def test_a_file_has_all_its_lines_in_order():
    lines = [csv_line([f"número {number}", "x"]) for number in range(2 * LINES_AT_ONCE + 1)]

    response = csv_response("a.csv", lines)

    assert response.body == BYTE_ORDER_MARK + "".join(lines).encode()


def test_lines_are_made_while_those_before_them_are_sent():
    made = []

    def lines():
        for number in count():
            made.append(number)
            yield csv_line([str(number)])

    pieces = iter(csv_response("a.csv", lines()).app_iter)

    assert next(pieces) == BYTE_ORDER_MARK
    assert made == []
    assert next(pieces).count(b"\r\n") == len(made) == LINES_AT_ONCE
