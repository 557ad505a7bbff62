"""Community ID: the examples of the specification's own baseline (corelight/community-id-spec, baseline_deflt.json)."""

from ipaddress import ip_address

from netprobe.report.community import community_id


def test_ids_are_those_of_the_specification() -> None:
    wanted = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
    client, server = ip_address("128.232.110.120"), ip_address("66.35.250.204")
    assert community_id(client, 34855, server, 80) == wanted
    assert community_id(server, 80, client, 34855) == wanted
