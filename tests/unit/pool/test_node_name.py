"""Names in which workers hold leases."""

from gateway.pool.supervisor import node_name


def test_a_successor_has_the_name_of_its_predecessor_and_nobody_else_has(tmp_path):
    names = [node_name(var, number) for var in (tmp_path, tmp_path / "other") for number in (1, 2, 12)]

    assert len(set(names)) == 6
    assert node_name(tmp_path, 2) == names[1]
    # The engine frees what workers of `name:` held: none of the others begins like that.
    assert not any(other.startswith(f"{name}:") for name in names for other in names)
    assert max(map(len, names)) < 80
