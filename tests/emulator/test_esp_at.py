"""The WiFi module by itself: commands and answers byte by byte, timing, faults, real sockets."""

import socket

import pytest

from agilenn_cc.emulator import AirConfig, AtConfig, EspAtModule, Fault, expects_answer
from agilenn_cc.emulator.virtual_time import VirtualTime

REQUEST = b"AN\x01\x01" + bytes(15) + b"\x01" + bytes(12) + b"payload"


class Terminal:
    """Types at a module and reads what it says, in virtual time."""

    ready_to_receive = True

    def __init__(self, server=None, **options):
        self.time = VirtualTime(1.0, 216_000_000)
        self.module = EspAtModule(server, **options)
        self.baud = 115_200
        self.heard = bytearray()
        self.times_ps = []
        self.module.connect(self, self.time)

    def receive(self, byte, baud):
        self.heard.append(byte)
        self.times_ps.append(self.time.now_ps)
        self.heard_baud = baud

    def wait(self, seconds):
        end = self.time.now_ps + round(seconds * 1e12)
        while (at := self.time.next_event_ps) is not None and at <= end:
            self.time.sleep_until(at)
            self.time.run_due()
        self.time.sleep_until(end)
        answer = bytes(self.heard)
        self.heard.clear()
        return answer

    def send(self, data):
        for byte in data:
            self.time.sleep_until(self.time.now_ps + round(1e13 / self.baud))
            self.time.run_due()
            self.module.receive(byte, self.baud)

    def command(self, line, seconds=0.1):
        self.send(line.encode() + b"\r\n")
        return self.wait(seconds)

    def joined(self):
        assert self.wait(0.5) == b"\r\nready\r\n"
        self.command("ATE0")
        self.command('AT+CWJAP="net","secret"', 1.0)
        return self

    def connected(self):
        self.joined()
        assert self.command('AT+CIPSTART="UDP","192.168.1.10",5700,5701,0') == (
            b"CONNECT\r\n\r\nOK\r\n"
        )
        return self


@pytest.fixture
def server():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        endpoint.settimeout(2)
        yield endpoint


def test_echo_and_basic_commands():
    terminal = Terminal()
    assert terminal.wait(0.5) == b"\r\nready\r\n"
    assert terminal.command("AT") == b"AT\r\n\r\nOK\r\n"
    assert terminal.command("ATE0") == b"ATE0\r\n\r\nOK\r\n"
    assert terminal.command("AT") == b"\r\nOK\r\n"
    assert terminal.command("AT+NONSENSE") == b"\r\nERROR\r\n"
    assert terminal.command("hello") == b"\r\nERROR\r\n"
    assert terminal.command("AT+CIPMUX=0") == b"\r\nOK\r\n"
    assert terminal.command("AT+CIPMUX=1") == b"\r\nERROR\r\n"
    assert b"AT version" in terminal.command("AT+GMR")


def test_joining_takes_time_and_checks_the_password():
    terminal = Terminal(config=AtConfig(password="secret"))
    terminal.wait(0.5)
    terminal.command("ATE0")
    assert terminal.command('AT+CIPSTART="UDP","h",1,1,0') == b"no ip\r\n\r\nERROR\r\n"
    assert terminal.command('AT+CWJAP="net","wrong"', 1.0) == b"+CWJAP:2\r\n\r\nERROR\r\n"
    assert terminal.command('AT+CWJAP="net","secret"', 0.1) == b""
    assert terminal.command("AT", 0.1) == b"busy p...\r\n"
    assert terminal.wait(1.0) == b"WIFI CONNECTED\r\nWIFI GOT IP\r\n\r\nOK\r\n"


def test_uart_rate_changes_after_the_answer():
    terminal = Terminal().joined()
    assert terminal.command("AT+UART_CUR=3000000,8,1,0,0") == b"\r\nOK\r\n"
    assert terminal.heard_baud == pytest.approx(115_200, rel=0.01)
    assert b"OK" not in terminal.command("AT")
    terminal.baud = 3_000_000
    terminal.send(b"\r\n")
    terminal.wait(0.1)
    assert terminal.command("AT") == b"\r\nOK\r\n"
    # 80 MHz / 27, the nearest integer divider.
    assert terminal.heard_baud == pytest.approx(80e6 / 27)
    assert terminal.command("AT+UART_CUR=5000000,8,1,0,0") == b"\r\nERROR\r\n"


def test_datagram_goes_out_and_the_answer_comes_back(server):
    air = AirConfig(rate_bps=6e6, delay_s=0.001, server_time_s=0.002)
    terminal = Terminal(server.getsockname(), air=air).connected()
    assert terminal.command(f"AT+CIPSEND={len(REQUEST)}") == b"\r\nOK\r\n\r\n>"
    # What the server will say is put in its hands before virtual time can pass.
    start = terminal.time.now_ps
    terminal.send(REQUEST)
    early = terminal.wait(0.0012)
    data, peer = server.recvfrom(2000)
    assert data == REQUEST
    server.sendto(b"the answer", peer)
    heard = early + terminal.wait(0.1)
    assert heard.startswith(b"\r\nRecv 39 bytes\r\n\r\nSEND OK\r\n")
    assert heard.endswith(b"\r\n+IPD,10:the answer")
    serial = len(REQUEST) * 10 / 115_200
    air_time = (39 + 64 + 10 + 64) * 8 / 6e6
    first = terminal.times_ps[-len(b"\r\n+IPD,10:the answer")]
    expected = serial + air_time + 2 * 0.001 + 0.002 + 10 / terminal.module.baud
    assert (first - start) / 1e12 == pytest.approx(expected, abs=2e-6)


def test_send_needs_a_link_and_bounds_its_length():
    terminal = Terminal().joined()
    assert terminal.command("AT+CIPSEND=5") == b"link is not valid\r\n\r\nERROR\r\n"
    terminal.command('AT+CIPSTART="UDP","h",5,5,0')
    assert terminal.command("AT+CIPSEND=2049") == b"too long\r\n\r\nERROR\r\n"
    assert terminal.command('AT+CIPSTART="UDP","h",5,5,0') == b"ALREADY CONNECTED\r\n\r\nERROR\r\n"
    assert b'"UDP","h",5' in terminal.command("AT+CIPSTATUS")
    assert terminal.command("AT+CIPCLOSE") == b"CLOSED\r\n\r\nOK\r\n"
    assert terminal.command("AT+CIPCLOSE") == b"\r\nERROR\r\n"


def test_faults():
    faults = (
        Fault("error", "AT+CIPMUX", 2),
        Fault("silent", "AT+GMR"),
        Fault("busy", "AT+CIPSTATUS"),
        Fault("wifi-lost", at_s=10.0, duration_s=2.0),
        Fault("reset", "AT+CIPCLOSE"),
        Fault("garbage", at_s=15.0),
    )
    terminal = Terminal(config=AtConfig(faults=faults)).connected()
    terminal.command("AT+CIPCLOSE", 2.0)
    terminal.command("ATE0")
    assert terminal.command("AT+CIPMUX=0") == b"\r\nOK\r\n"
    assert terminal.command("AT+CIPMUX=0") == b"\r\nERROR\r\n"
    assert terminal.command("AT+GMR") == b""
    assert terminal.command("AT+CIPSTATUS") == b"busy p...\r\n"
    terminal.command('AT+CIPSTART="UDP","h",5,5,0')
    assert terminal.wait(10.0 - terminal.time.now_ps / 1e12 + 1.0) == (
        b"WIFI DISCONNECT\r\nCLOSED\r\n"
    )
    assert terminal.wait(2.0) == b"WIFI CONNECTED\r\nWIFI GOT IP\r\n"
    assert b"\x80" in terminal.wait(5.0)


def test_reset_restores_rate_echo_and_rejoins():
    terminal = Terminal().connected()
    terminal.send(b"AT+RST\r\n")
    assert terminal.wait(0.2) == b"\r\nOK\r\n"
    assert terminal.wait(0.3) == b"\r\nready\r\n"
    assert terminal.wait(1.0) == b"WIFI CONNECTED\r\nWIFI GOT IP\r\n"
    assert terminal.command("AT") == b"AT\r\n\r\nOK\r\n"


def test_gone_server_does_not_hold_time_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        address = endpoint.getsockname()
    air = AirConfig(first_answer_wait_s=30.0)
    terminal = Terminal(address, air=air).connected()
    for _ in range(3):
        terminal.command(f"AT+CIPSEND={len(REQUEST)}")
        terminal.send(REQUEST)
        assert b"SEND OK" in terminal.wait(0.1)


def test_loss_duplication_and_order_are_seeded(server):
    def arrivals(seed):
        air = AirConfig(loss=0.3, duplication=0.2, reordering=0.3, seed=seed)
        terminal = Terminal(server.getsockname(), air=air).connected()
        for number in range(30):
            terminal.command("AT+CIPSEND=2", 0.01)
            terminal.send(bytes((number, 0)))
            terminal.wait(0.001)
        terminal.wait(0.1)
        terminal.module.close()
        server.setblocking(False)
        received = []
        try:
            while True:
                received.append(server.recv(100)[0])
        except BlockingIOError:
            return received

    first = arrivals(1)
    assert arrivals(1) == first
    assert arrivals(2) != first
    assert set(range(30)) - set(first), "nothing was lost"
    assert len(first) > len(set(first)), "nothing was duplicated"


def test_expects_answer_reads_the_protocol_header():
    assert expects_answer(REQUEST)
    assert not expects_answer(REQUEST[:19] + b"\x00" + REQUEST[20:])
    assert not expects_answer(b"AN\x01\x02" + REQUEST[4:])
    assert not expects_answer(b"XX" + REQUEST[2:])
    assert not expects_answer(REQUEST[:31])


def test_the_boot_rom_talks_at_a_rate_of_its_own():
    terminal = Terminal(config=AtConfig(boot_noise_bytes=300))
    noise = terminal.wait(0.29)
    assert len(noise) == 300
    assert terminal.heard_baud == 74_880
    # 300 bytes of ten bits take 40 ms; the AT firmware starts after that, at its own rate.
    assert terminal.times_ps[-1] == pytest.approx(300 * 10 / 74_880 * 1e12, rel=1e-3)
    assert terminal.wait(0.2) == b"\r\nready\r\n"
    assert terminal.heard_baud == pytest.approx(115_200, rel=0.01)


@pytest.mark.parametrize(("mode", "delayed"), [("0", False), ("1", True), ("2", True)])
def test_a_sleeping_radio_hears_with_the_next_beacon(server, mode, delayed):
    air = AirConfig(rate_bps=6e6, delay_s=0.001, server_time_s=0.002)
    config = AtConfig(beacon_s=0.1024)
    terminal = Terminal(server.getsockname(), air=air, config=config).connected()
    assert terminal.command(f"AT+SLEEP={mode}") == b"\r\nOK\r\n"
    terminal.command(f"AT+CIPSEND={len(REQUEST)}")
    terminal.send(REQUEST)
    terminal.wait(0.0012)
    server.sendto(b"answer", server.recvfrom(2000)[1])
    answer = b"\r\n+IPD,6:answer"
    assert terminal.wait(0.2).endswith(answer)
    # Its first byte has left when it has been heard.
    begun_ps = terminal.times_ps[-len(answer)] - 10e12 / terminal.module.baud
    since_beacon_s = begun_ps / 1e12 % 0.1024
    assert (min(since_beacon_s, 0.1024 - since_beacon_s) < 1e-6) == delayed


def test_sleep_takes_its_modes_only():
    terminal = Terminal().joined()
    assert terminal.command("AT+SLEEP=3") == b"\r\nERROR\r\n"
