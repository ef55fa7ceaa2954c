"""What a variant becomes: texts, and the files of a machine."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from sandbox import rendering, scenarios, variants
from sandbox.errors import ContentError
from sandbox.paths import ScenarioFiles
from sandbox.rendering import LaidFile, Layout, Personality, offline
from sandbox.rendering.patterns import fits
from sandbox.rendering.templates import undeclared

CONTENT = Path(__file__).parent / "data" / "content"
ANCHOR = datetime(2026, 3, 4, 9, 30, 15, tzinfo=UTC)


class Lab:
    """The sample scenario in a folder that a test may change."""

    def __init__(self, content: Path) -> None:
        self.files = ScenarioFiles(content, "linux/sample")

    @property
    def loaded(self) -> scenarios.Loaded:
        return scenarios.load(self.files)

    def variant(self, fault: str = "wrong-root", seed: str = "a") -> variants.Variant:
        return variants.draw(self.loaded, seed=seed, anchor=ANCHOR, fault=fault)

    def write(self, path: str, text: str) -> Path:
        target = self.files.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def rule(self, text: str) -> None:
        with (self.files.root / "hosts/web/files.toml").open("a") as file:
            file.write(f"\n[[files]]\n{text}\n")

    def layout(self, fault: str = "wrong-root", host: str = "web", seed: str = "a") -> Layout:
        variant = self.variant(fault, seed)
        own = rendering.personality(
            self.loaded,
            variant,
            host,
            host_key=("private\n", "ssh-ed25519 AAAA"),
            authorized_key="ssh-ed25519 BBBB",
            password_hash="$6$salt$hash",
        )
        return rendering.layout(self.loaded, variant, host, own)

    def laid(self, path: str, fault: str = "wrong-root", host: str = "web") -> LaidFile:
        return {file.path: file for file in self.layout(fault, host).files}[path]

    def text(self, path: str, fault: str = "wrong-root", host: str = "web") -> str:
        return self.laid(path, fault, host).data.decode()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(Path(shutil.copytree(CONTENT, tmp_path / "content")))


# --- templates --------------------------------------------------------------------------------


def test_a_ticket_names_values_people_and_times(lab: Lab) -> None:
    variant = lab.variant()

    said = rendering.ticket(lab.loaded, variant)

    assert f"# {variant.values.site} does not show" in said
    assert "since 07:30 our" in said
    assert f"{variant.values.reporter.name}, Yard" in said


def test_a_debrief_is_the_faults(lab: Lab) -> None:
    assert "another" not in rendering.debrief(lab.loaded, lab.variant("wrong-root"))
    assert "named port" in rendering.debrief(lab.loaded, lab.variant("wrong-port"))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ anchor | date }}", "4 March 2026"),
        ("{{ anchor | day }}", "Wednesday"),
        ("{{ anchor | stamp }}", "2026-03-04 09:30:15"),
        ("{{ ago('3d') | clf }}", "01/Mar/2026:09:30:15 +0000"),
        ("{{ ago('1h') | syslog }}", "Mar  4 08:30:15"),
        ("{{ anchor | epoch }}", str(int(ANCHOR.timestamp()))),
        ("{{ anchor | iso }}", "2026-03-04T09:30:15+00:00"),
        ('{{ "it\'s" | shell }}', "'it'\"'\"'s'"),
        ("{{ {'a': [1, 'é']} | json }}", '{"a": [1, "é"]}'),
        ("{{ [{'a': 1, 'b': 'x,y'}] | csv }}", 'a,b\n1,"x,y"\n'),
        ("{{ [] | csv }}", ""),
        ("{{ people['bo.gravel'].last }}", "van der Gravel"),
        ("{{ company.people | length }}", "4"),
        ("{{ learner }} {{ fault }}", "web wrong-root"),
        ("{{ hosts.web.full_name }}", "scree.pebble.example"),
        ("{{ hosts.desk.nics }}", "['eth9']"),
        ("{% if true %}\nyes\n{% endif %}\n", "yes\n"),
        ("a\n\n", "a\n\n"),
    ],
)
def test_templates_have_what_authors_need(lab: Lab, template: str, expected: str) -> None:
    variant = lab.variant(seed="forever")

    assert rendering.text(template, lab.loaded, variant) == expected


def test_further_values_may_be_given(lab: Lab) -> None:
    assert rendering.text("{{ score }}", lab.loaded, lab.variant(), score=7) == "7"


def test_a_wording_may_name_what_only_another_fault_has(lab: Lab) -> None:
    other = lab.variant("wrong-port").values.other_port

    said = rendering.text("{{ other_port }}", lab.loaded, lab.variant("wrong-root"))

    assert said == str(other)


def test_an_unknown_name_is_told_with_file_line_and_what_is_near(lab: Lab) -> None:
    lab.write("ticket.md.j2", "one\ntwo\n{{ sitee }}\n")

    with pytest.raises(ContentError) as raised:
        rendering.ticket(lab.loaded, lab.variant())

    assert raised.value.message == (
        "scenarios/linux/sample/ticket.md.j2:3: there is no 'sitee'; did you mean 'site'?"
    )


def test_an_unknown_attribute_is_an_error(lab: Lab) -> None:
    lab.write("ticket.md.j2", "{{ requester.nam }}\n")

    with pytest.raises(ContentError, match=r"ticket\.md\.j2:1: .*no attribute 'nam'"):
        rendering.ticket(lab.loaded, lab.variant())


def test_bad_syntax_is_told_with_its_line(lab: Lab) -> None:
    lab.write("ticket.md.j2", "one\n{% if %}\n")

    with pytest.raises(ContentError, match=r"ticket\.md\.j2:2: "):
        rendering.ticket(lab.loaded, lab.variant())


def test_a_bad_distance_is_told_with_its_line(lab: Lab) -> None:
    lab.write("ticket.md.j2", "\n{{ ago('soon') }}\n")

    with pytest.raises(ContentError, match=r"ticket\.md\.j2:2: '-soon' is not a distance"):
        rendering.ticket(lab.loaded, lab.variant())


def test_a_failing_expression_is_told_with_its_line(lab: Lab) -> None:
    lab.write("ticket.md.j2", "\n\n{{ port + 'x' }}\n")

    with pytest.raises(ContentError, match=r"ticket\.md\.j2:3: unsupported operand"):
        rendering.ticket(lab.loaded, lab.variant())


def test_a_ticket_cannot_show_a_secret(lab: Lab) -> None:
    lab.write("ticket.md.j2", "{{ password }}\n")

    with pytest.raises(ContentError, match="'password' is secret"):
        rendering.ticket(lab.loaded, lab.variant())


def test_a_script_sees_secrets(lab: Lab) -> None:
    path = lab.write("solutions/reference/a.sh.j2", "{{ password }}\n")
    variant = lab.variant()

    assert rendering.script(path, lab.loaded, variant) == f"{variant.values.password}\n"


def test_a_script_without_j2_is_left_as_it_is(lab: Lab) -> None:
    path = lab.write("solutions/reference/a.sh", "{{ nothing }}\n")

    assert rendering.script(path, lab.loaded, lab.variant()) == "{{ nothing }}\n"


def test_a_script_that_is_missing_is_named(lab: Lab) -> None:
    with pytest.raises(ContentError, match=r"solutions/reference/b\.sh: the file is missing"):
        rendering.script(lab.files.solution("reference") / "b.sh", lab.loaded, lab.variant())


def test_names_that_a_template_needs_are_known_without_rendering() -> None:
    assert undeclared("{% for x in rows %}{{ x.a }} {{ site }}{% endfor %}") == {"rows", "site"}
    assert undeclared("{% bad") == set()


# --- overlays ---------------------------------------------------------------------------------


def test_a_template_loses_its_suffix_and_is_rendered(lab: Lab) -> None:
    assert lab.text("/etc/motd.d/10-site") == f"welcome to {lab.variant().values.site}\n"


def test_other_files_are_laid_byte_by_byte(lab: Lab) -> None:
    assert lab.text("/srv/site/index.txt") == "pebbles: {{ site }}\n"


def test_the_companys_overlay_is_for_machines_that_learners_see(lab: Lab) -> None:
    assert lab.text("/etc/motd") == "Property of Pebble & Daughters.\n"
    assert "/etc/motd" not in {file.path for file in lab.layout(host="desk").files}


def test_a_fault_is_laid_over_the_host(lab: Lab) -> None:
    lab.write("hosts/web/etc/site/settings", "host\n")

    assert "root=/srv/" in lab.text("/etc/site/settings", "wrong-root")
    assert lab.laid("/etc/site/settings", "wrong-port").source.endswith(
        "faults/wrong-port/web/etc/site/settings.j2"
    )


def test_a_host_is_laid_over_the_personality(lab: Lab) -> None:
    lab.write("hosts/web/etc/hosts", "mine\n")

    assert lab.text("/etc/hosts") == "mine\n"


def test_a_files_name_may_be_a_format(lab: Lab) -> None:
    lab.write("hosts/web/etc/{site}.d/{reporter.login}.conf", "x\n")
    values = lab.variant().values

    assert lab.text(f"/etc/{values.site}.d/{values.reporter.login}.conf") == "x\n"


def test_the_executable_bit_is_kept(lab: Lab) -> None:
    lab.write("hosts/web/opt/site/run", "#!/bin/sh\n").chmod(0o755)

    assert lab.laid("/opt/site/run").mode == 0o755
    assert lab.laid("/etc/motd.d/10-site").mode == 0o644


def test_the_first_rule_that_fits_sets_owner_and_mode(lab: Lab) -> None:
    lab.rule('path = "/srv/site/index.txt"\nmode = "0600"')
    file = lab.laid("/srv/site/index.txt")

    assert (file.owner, file.mode) == ("site:site", 0o640)


def test_a_link_and_a_folder_need_no_file(lab: Lab) -> None:
    link, folder = lab.laid("/srv/current"), lab.laid(f"/var/spool/{lab.variant().values.site}")

    assert (link.kind, link.link) == ("link", "/srv/site")
    assert (folder.kind, folder.owner, folder.mode) == ("directory", "intern", 0o2770)


def test_a_time_is_relative_to_the_anchor(lab: Lab) -> None:
    assert lab.laid("/srv/current").mtime == int((ANCHOR - timedelta(days=3)).timestamp())


def test_no_file_is_of_today_unless_a_rule_says_so(lab: Lab) -> None:
    files = [file for file in lab.layout().files if file.kind != "delete"]
    ages = [ANCHOR.timestamp() - file.mtime for file in files if file.path != "/srv/current"]

    assert min(ages) > timedelta(days=11).total_seconds()
    assert max(ages) < timedelta(days=270).total_seconds()


def test_a_compressed_file_gets_its_suffix(lab: Lab) -> None:
    lab.write("hosts/web/var/log/site.log.2.j2", "{{ site }}\n")
    lab.rule('path = "/var/log/site.log.2"\ngzip = true')

    packed = lab.laid("/var/log/site.log.2.gz")

    assert gzip.decompress(packed.data).decode() == f"{lab.variant().values.site}\n"


def test_a_deletion_takes_away_what_was_laid_before(lab: Lab) -> None:
    lab.write("faults/wrong-root/web/files.toml", '[[files]]\npath = "/srv/*/*"\ndelete = true\n')

    kinds = {file.path: file.kind for file in lab.layout().files}

    assert "/srv/site/index.txt" not in kinds
    assert kinds["/srv/*/*"] == "delete"


def test_what_a_fault_lays_is_not_deleted_by_an_earlier_rule(lab: Lab) -> None:
    lab.rule('path = "/etc/site/*"\ndelete = true')

    layout = lab.layout()

    assert "/etc/site/settings" in {file.path for file in layout.files}
    assert "[/etc/site/settings]=1" in layout.offline


@pytest.mark.parametrize(
    "path",
    ["bin/x", "usr/lib/systemd/system/x.service", "usr/sbin/x", "lib64/x", "run/x", "tmp/x"],
)
def test_programs_libraries_and_mounts_are_not_laid_over(lab: Lab, path: str) -> None:
    lab.write(f"hosts/web/{path}", "x")

    with pytest.raises(ContentError, match=f"hosts/web/{path}: nothing may be laid below /"):
        lab.layout()


@pytest.mark.parametrize("path", ["usr/local/bin/x", "opt/site/x", "usr/share/site/x", "srv/lib/x"])
def test_a_firms_own_software_may_be_laid(lab: Lab, path: str) -> None:
    lab.write(f"hosts/web/{path}", "x")

    assert lab.text(f"/{path}") == "x"


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ('path = "etc/x"\ndelete = true', "'etc/x' is not absolute"),
        ('path = "/etc/*"\nlink = "/x"', "stands for several paths"),
        ('path = "/usr/bin/x"\nlink = "/x"', "nothing may be laid below /usr/bin"),
        ('path = "/etc/../usr/bin/x"\nlink = "/x"', "leads upwards"),
        ('path = "/srv/site"\nlink = "/x"', "/srv/site/index.txt lies below /srv/site, a link"),
        ('path = "/x"\nmtime = "soon"', "files.toml: '/x': mtime: 'soon' is not a distance"),
        ('path = "/x"\nmode = "rwx"', "files.toml:23: files[4].mode: does not fit the form"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(lab: Lab, rule: str, problem: str) -> None:
    lab.rule(rule)

    with pytest.raises(ContentError) as raised:
        lab.layout()

    assert problem in raised.value.message


def test_a_symbolic_link_in_an_overlay_is_refused(lab: Lab) -> None:
    (lab.files.root / "hosts/web/etc/link").symlink_to("motd.d")

    with pytest.raises(ContentError, match="an overlay holds no symbolic links"):
        lab.layout()


def test_a_script_that_is_not_bash_is_refused(lab: Lab) -> None:
    lab.write("faults/wrong-root/web/offline.sh", "#!/usr/bin/python3\n")

    with pytest.raises(ContentError, match=r"offline\.sh:1: #!/usr/bin/python3 is not bash"):
        lab.layout()


def test_online_scripts_follow_each_other(lab: Lab) -> None:
    lab.write("hosts/web/online.sh", "echo first")
    lab.write("faults/wrong-root/web/online.sh.j2", "echo {{ folder }}")

    online = lab.layout().online

    assert online.index("echo first") < online.index("echo draft" if "draft" in online else "old")
    assert subprocess.run(["bash", "-n"], input=online.encode()).returncode == 0


def test_there_is_no_online_script_where_none_is_written(lab: Lab) -> None:
    assert lab.layout().online == ""


# --- personality ------------------------------------------------------------------------------


def test_a_machine_knows_its_name_and_its_neighbours(lab: Lab) -> None:
    values = lab.variant().values

    assert lab.text("/etc/hostname") == f"{values.site}\n"
    assert lab.text("/etc/hosts").splitlines()[2:] == [
        f"{values.address}\t{values.site}.pebble.example {values.site} "
        f"www.{values.site}.pebble.example",
        f"{values.desk}\tdesk.pebble.example desk",
    ]


def test_a_nic_gets_its_address_gateway_and_servers(lab: Lab) -> None:
    assert lab.text("/etc/systemd/network/10-lan0.network") == (
        "[Match]\nName=lan0\n\n[Network]\n"
        f"Address={lab.variant().values.address}/24\nGateway=10.7.9.1\nDNS=10.7.9.53\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )
    assert lab.text("/etc/resolv.conf") == "search pebble.example\nnameserver 10.7.9.53\n"


def test_an_address_without_a_prefix_gets_the_wires(lab: Lab) -> None:
    text = lab.text("/etc/systemd/network/10-eth9.network", host="desk")

    assert f"Address={lab.variant().values.desk}/24\n" in text
    assert "Gateway" not in text


def test_a_machine_is_in_the_scenarios_time_zone(lab: Lab) -> None:
    assert lab.text("/etc/timezone") == "Europe/Lisbon\n"
    assert lab.laid("/etc/localtime").link == "/usr/share/zoneinfo/Europe/Lisbon"


def test_keys_are_laid_with_their_modes(lab: Lab) -> None:
    assert lab.laid("/etc/ssh/ssh_host_ed25519_key").mode == 0o600
    assert lab.text("/etc/ssh/ssh_host_ed25519_key.pub") == "ssh-ed25519 AAAA\n"
    login = lab.laid("/home/intern/.ssh/authorized_keys")
    assert (login.data, login.mode, login.owner) == (b"ssh-ed25519 BBBB\n", 0o600, "intern")


def test_without_keys_none_are_laid() -> None:
    files = rendering.personality_files(Personality("web", "pebble.example", "UTC"))

    assert not [path for path in files if "ssh" in path]


def test_a_machine_without_an_address_knows_itself() -> None:
    files = rendering.personality_files(Personality("web", "pebble.example", "UTC"))

    assert "127.0.1.1\tweb.pebble.example web\n" in files["/etc/hosts"][0]


def test_a_router_has_a_name_at_each_address(lab: Lab) -> None:
    text = lab.files.settings.read_text()
    text += '\n[wires.yard]\nsubnet = "10.7.2.0/24"\n'
    text = text.replace(
        "[wires.lan]", '[[hosts.web.wires]]\nwire = "yard"\naddress = "10.7.2.1"\n\n[wires.lan]', 1
    )
    lab.files.settings.write_text(text)
    variant = lab.variant()

    table = rendering.host_table(lab.loaded, variant)

    assert table[1] == ("10.7.2.1", [f"{variant.values.site}-lan1"])


def test_an_address_that_is_none_is_told_with_its_place(lab: Lab) -> None:
    text = lab.files.settings.read_text().replace('address = "{desk}"', 'address = "{site}/24"')
    lab.files.settings.write_text(text)

    with pytest.raises(ContentError, match=r"linux/sample: hosts\.desk\.wires\[0\]\.address: "):
        lab.layout()


# --- the offline script -----------------------------------------------------------------------


def harmless(script: str, folder: Path) -> str:
    """An offline script that may run here: it deletes nothing and has a shadow file of its own."""
    return script.replace("rm -rf", ": ").replace("/etc/shadow", f"{folder}/shadow")


def test_the_offline_script_is_bash(lab: Lab) -> None:
    script = lab.layout().offline

    assert subprocess.run(["bash", "-n"], input=script.encode()).returncode == 0


def test_owners_come_after_the_scripts_that_make_accounts(lab: Lab) -> None:
    script = lab.layout().offline

    order = [
        script.index("rm -rf -- /etc/motd.d/legacy"),
        script.index("\\1:$6$salt$hash,' /etc/shadow"),
        script.index("useradd --system --user-group site"),
        script.index('chown -h -- site:site "$path"'),
    ]
    assert order == sorted(order)


def test_intern_and_root_get_the_password_of_the_console(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.write_text("root:!:1:0:99999:7:::\nintern:*:2::\ninternal:*:3::\n")
    script = offline.offline_script([], "$6$salt$a./b", [], ANCHOR)

    subprocess.run(["bash", "-c", harmless(script, tmp_path)], check=True)

    assert shadow.read_text() == (
        "root:$6$salt$a./b:1:0:99999:7:::\nintern:$6$salt$a./b:2::\ninternal:*:3::\n"
    )


def test_each_script_has_a_shell_of_its_own(lab: Lab, tmp_path: Path) -> None:
    lab.write("hosts/web/offline.sh.j2", "cd /usr; export A=1; exit 0; echo unseen")
    script = lab.layout().offline.partition("part='the owners of files'")[0]
    script = harmless(script, tmp_path)

    ran = subprocess.run(
        ["bash", "-c", f'cd {tmp_path}; {script}\necho "$PWD ${{A-none}}"'],
        capture_output=True,
        text=True,
    )

    assert ran.stdout == f"{tmp_path} none\n"


def test_a_script_that_fails_is_named_and_stops_the_rest(lab: Lab, tmp_path: Path) -> None:
    lab.write("hosts/web/offline.sh.j2", "set -e\nfalse\n")
    script = harmless(lab.layout().offline, tmp_path)

    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True)

    assert ran.returncode == 1
    assert ran.stderr == (
        "internbox: it stopped in scenarios/linux/sample/hosts/web/offline.sh.j2\n"
    )


def test_a_pattern_deletes_all_but_what_was_laid(lab: Lab, tmp_path: Path) -> None:
    for name in ("old one", "new", ".hidden", "keep"):
        (tmp_path / name).touch()
    files = [
        LaidFile(f"{tmp_path}/*", "a", kind="delete"),
        LaidFile(f"{tmp_path}/keep", "a"),
    ]
    script = offline.offline_script(files, "", [], ANCHOR)

    subprocess.run(["bash", "-c", script], check=True)

    assert os.listdir(tmp_path) == ["keep"]  # noqa: PTH208


def test_folders_that_were_laid_into_are_not_of_today(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").touch()
    script = offline.offline_script([LaidFile(f"{tmp_path}/a/x", "a")], "", [], ANCHOR)
    folders = script.splitlines()[-1].replace(f" {tmp_path.parents[0]} ", " ")

    line = f"touch -c -d @{int(ANCHOR.timestamp())} --"
    assert folders.startswith(line)
    assert f"{tmp_path}/a" in folders.split()


def test_a_setuid_bit_is_set_again_after_the_owner(lab: Lab) -> None:
    lab.write("hosts/web/opt/site/tool", "x")
    lab.rule('path = "/opt/site/tool"\nowner = "site"\nmode = "4755"')

    script = lab.layout().offline

    assert script.index("chown -h -- site:") < script.index("chmod -f 4755 -- /opt/site/tool")


# --- the archive ------------------------------------------------------------------------------


def entries(layout: Layout) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(rendering.pack(layout, ANCHOR))) as tar:
        return {entry.name: entry for entry in tar}


def test_the_same_layout_gives_the_same_archive(lab: Lab) -> None:
    assert rendering.pack(lab.layout(), ANCHOR) == rendering.pack(lab.layout(), ANCHOR)


def test_another_seed_gives_another_archive(lab: Lab) -> None:
    assert rendering.pack(lab.layout(), ANCHOR) != rendering.pack(lab.layout(seed="b"), ANCHOR)


def test_owners_in_the_archive_are_numbers(lab: Lab) -> None:
    found = entries(lab.layout())

    assert found["home/intern/.ssh/authorized_keys"].uid == 1000
    assert found["srv/site/index.txt"].uid == 0  # by name, in the script
    assert {entry.uname for entry in found.values()} == {""}


def test_a_number_is_an_owner_for_the_archive_alone(lab: Lab) -> None:
    lab.write("hosts/web/srv/x", "x")
    lab.rule('path = "/srv/x"\nowner = "33:44"')
    layout = lab.layout()

    assert (entries(layout)["srv/x"].uid, entries(layout)["srv/x"].gid) == (33, 44)
    assert "33:44" not in layout.offline


def test_the_script_is_for_root_alone(lab: Lab) -> None:
    found = entries(lab.layout())

    assert found[".internbox"].mode == 0o700
    assert found[".internbox/offline"].mode == 0o700


def test_neighbours_of_what_was_laid_are_listed(lab: Lab) -> None:
    with tarfile.open(fileobj=io.BytesIO(rendering.pack(lab.layout(), ANCHOR))) as tar:
        listed = tar.extractfile(".internbox/neighbours")
        assert listed is not None
        folders = listed.read().decode().splitlines()

    assert {"/etc", "/etc/site", "/etc/motd.d", "/srv", "/srv/site"} <= set(folders)
    assert folders == sorted(folders)


def test_nobody_looks_at_the_neighbours_on_a_hidden_host(lab: Lab) -> None:
    assert lab.layout(host="desk").neighbours == []


def test_no_folder_of_the_system_is_in_the_archive(lab: Lab) -> None:
    folders = [entry.name for entry in entries(lab.layout()).values() if entry.isdir()]

    assert sorted(folders) == [
        ".internbox",
        "home/intern/.ssh",
        f"var/spool/{lab.variant().values.site}",
    ]


def test_folders_of_the_intern_are_the_interns(lab: Lab) -> None:
    lab.write("hosts/web/home/intern/notes/todo", "x")
    found = entries(lab.layout())

    assert (found["home/intern/notes"].uid, found["home/intern/notes"].mode) == (1000, 0o755)
    assert found["home/intern/.ssh"].mode == 0o700
    assert "home/intern" not in found


def test_a_link_is_one_in_the_archive(lab: Lab) -> None:
    link = entries(lab.layout())["srv/current"]

    assert link.issym()
    assert link.linkname == "/srv/site"


# --- patterns ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/etc/*", "/etc/a", True),
        ("/etc/*", "/etc/a/b", False),
        ("/etc/**", "/etc/a/b", True),
        ("/etc/**/b", "/etc/b", True),
        ("/etc/**/b", "/etc/x/y/b", True),
        ("/etc/?", "/etc/ab", False),
        ("/etc/[ab]", "/etc/b", True),
        ("/etc/[!ab]", "/etc/b", False),
        ("/etc/a.b", "/etc/axb", False),
        ("/etc/a+", "/etc/a+", True),
    ],
)
def test_a_pattern_fits(pattern: str, path: str, expected: bool) -> None:
    assert fits(pattern, path) is expected


def test_the_hidden_view_is_public_for_learners(lab: Lab) -> None:
    values = rendering.context(lab.loaded, lab.variant(), public=True)

    assert "password" not in values
    assert "password" in rendering.context(lab.loaded, lab.variant())


def test_another_zone_changes_what_clocks_show(lab: Lab) -> None:
    loaded = lab.loaded
    settings = msgspec.structs.replace(loaded.settings, time_zone="Asia/Tokyo")
    variant = variants.draw(replace(loaded, settings=settings), seed="a", anchor=ANCHOR)

    assert rendering.text("{{ anchor | time }}", loaded, variant) == "18:30"
