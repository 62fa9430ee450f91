"""One side of an HTTP/2 connection: its frames, its settings, flow control, and limits against floods."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from composectl.proxy.errors import log_internal_error
from composectl.proxy.head import Fields
from composectl.proxy.http2 import frames
from composectl.proxy.http2.compression import FieldDecoder, FieldEncoder
from composectl.proxy.http2.flow import Flow
from composectl.proxy.http2.frames import Http2Error, StreamError
from composectl.proxy.http2.header_block import HeaderBlock
from composectl.proxy.http2.response import lowered
from composectl.proxy.http2.stalls import Stalls

CONNECTION_WINDOW: Final = 1024 * 1024  # what all streams of a client may send before it is taken
CLOSING_PING: Final = b"closing\n"
# Frames in a second that cost work and carry nothing, beyond so many for each that carries something
_MAX_IDLE_FRAMES: Final = 1_000
_IDLE_FRAMES_ALLOWED: Final = 10
_MAX_UNREAD: Final = 1024 * 1024


class Http2Connection:
    """What both roles share; a subclass takes the frames of its streams. `broken`: it was ended for a fault."""

    __slots__ = (
        "_block",
        "_blocked",
        "_decoder",
        "_flush_handle",
        "_idle_frames",
        "_in_read",
        "_initial_window",
        "_out",
        "_receive_window",
        "_rest",
        "_send_window",
        "_settings_came",
        "_stream_window",
        "_streams_share_window",
        "_unacknowledged",
        "broken",
        "encoder",
        "extended_connect",
        "held_back",
        "peer_max_streams",
        "stalls",
        "transport",
        "write_paused",
    )

    transport: asyncio.Transport

    def __init__(self, stream_window: int, *, streams_share_window: bool) -> None:
        """`stream_window`: of a new stream; `streams_share_window`: what one has not taken counts against all."""
        self._stream_window = stream_window
        self._streams_share_window = streams_share_window
        self._decoder = FieldDecoder()
        self.encoder = FieldEncoder()
        self._rest = b""
        self._out: list[bytes] = []
        self._in_read = self._settings_came = False
        self._flush_handle: asyncio.Handle | None = None
        self._block = HeaderBlock()
        self._blocked: dict[int, Flow] = {}
        self._send_window = frames.DEFAULT_WINDOW
        self._initial_window = frames.DEFAULT_WINDOW  # of the streams, as the peer wants it
        self._receive_window = CONNECTION_WINDOW
        self._unacknowledged = self._idle_frames = self.held_back = 0
        self.peer_max_streams = frames.MAX_STREAM_ID
        self.extended_connect = False  # the peer takes them (RFC 8441)
        self.stalls = Stalls()
        self.write_paused = self.broken = False

    # Out

    def write(self, data: bytes) -> None:
        """Send with all else of this turn of the loop."""
        self._out.append(data)
        if not self._in_read and self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_soon(self._flush)

    def new_flow(self, stream_id: int) -> Flow:
        return Flow(stream_id, self._initial_window, self._stream_window)

    def send_data(self, flow: Flow, pieces: list[bytes], end: Fields | None) -> bool:
        """Send DATA, and `end` behind it: see Flow. False where the peer's window holds something back."""
        if flow.pending:
            self._hold_back(flow, pieces, end)
            return False
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        room = max(0, min(flow.send_window, self._send_window))  # a changed setting may have made it negative
        if len(data) > room:
            self._send_within(flow, data[:room], None)
            self._blocked[flow.stream_id] = flow
            self._hold_back(flow, [data[room:]], end)
            return False
        self._send_within(flow, data, end)
        return True

    def forget_flow(self, flow: Flow) -> None:
        """The stream is closed: nothing more is sent in it, and what it has not taken is taken."""
        if flow.pending:
            self.held_back -= flow.drop_pending()
            del self._blocked[flow.stream_id]
            self.held_back_changed()
        if self._streams_share_window:
            self._acknowledge(flow.held)
        flow.held = 0

    def taken(self, flow: Flow, *, ended: bool) -> None:
        """All that came in the stream was taken: the peer may send as much again. `ended`: it will send no more."""
        size, flow.held = flow.held, 0
        if not size:
            return
        if self._streams_share_window:
            self._acknowledge(size)
        flow.unacknowledged += size
        if not ended and flow.unacknowledged > flow.window // 2:
            flow.receive_window += flow.unacknowledged
            self.write(frames.window_update(flow.stream_id, flow.unacknowledged))
            flow.unacknowledged = 0

    def end(self, code: int, last_stream_id: int, debug: str = "") -> None:
        """Tell the peer why, and close."""
        self.broken = code != frames.NO_ERROR
        self._out.append(frames.goaway(last_stream_id, code, debug.encode()))
        self._flush()
        self.transport.close()

    def second_passed(self) -> None:
        """Count anew what is limited in a second."""
        self._idle_frames = 0
        self.stalls.second_passed(
            self.transport, self._blocked.values(), window=self._send_window, is_full=self.write_paused
        )
        try:
            self._block.second_passed()
        except Http2Error as error:
            self.failed(error)

    # A subclass's part

    def headers_came(self, stream_id: int, block: bytes, end_stream: bool) -> None:
        """A header block is whole."""
        raise NotImplementedError

    def data_came(self, stream_id: int, data: bytes, end_stream: bool) -> None:
        """DATA has come."""
        raise NotImplementedError

    def reset_came(self, stream_id: int, code: int) -> None:
        """The peer has reset a stream."""
        raise NotImplementedError

    def goaway_came(self, last_stream_id: int, code: int) -> None:
        """The peer takes no stream after this one."""
        raise NotImplementedError

    def flow_of(self, stream_id: int) -> Flow | None:
        """The flow of a stream that is not closed. Raises Http2Error where it has never been open."""
        raise NotImplementedError

    def flows(self) -> list[Flow]:
        """Those of all streams."""
        raise NotImplementedError

    def unblocked(self, stream_id: int) -> None:
        """All that the peer's window held back in a stream is sent."""
        raise NotImplementedError

    def stream_failed(self, stream_id: int, code: int) -> None:
        """The peer broke the protocol in one stream."""
        raise NotImplementedError

    def held_back_changed(self) -> None:
        """The peer's windows hold back more or less than before."""

    def settings_came(self) -> None:
        """The peer's first SETTINGS."""

    def not_read(self) -> None:
        """The peer leaves much unread, and may have asked for nothing but answers."""
        if self._idle_frames > 0:
            self.transport.abort()

    def ping_answered(self) -> None:
        """The peer has read all that came before a PING with `CLOSING_PING`."""

    def read_ended(self) -> None:
        """All frames that came together were handled."""

    def failed(self, error: Http2Error) -> None:
        """The peer broke the protocol."""
        raise NotImplementedError

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.broken:
            return
        self._in_read = True
        try:
            self._read(self._rest + data if self._rest else data)
            self.read_ended()
        except Http2Error as error:
            self.failed(error)
        except Exception as error:
            log_internal_error(error)
            self.failed(Http2Error(frames.INTERNAL_ERROR, ""))
        finally:
            self._in_read = False
        if self._out:
            self._flush()

    # Private

    def _flush(self) -> None:
        self._flush_handle = None
        out, self._out = self._out, []
        if out and not self.transport.is_closing():
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
            if self.write_paused and self.transport.get_write_buffer_size() > _MAX_UNREAD:
                self.not_read()

    def _send_within(self, flow: Flow, data: bytes, end: Fields | None) -> None:
        """Send what the windows allow."""
        size = len(data)
        flow.send_window -= size
        self._send_window -= size
        self._idle_frames -= _IDLE_FRAMES_ALLOWED
        begin = 0
        while size - begin > frames.MAX_FRAME:
            self.write(frames.frame(frames.DATA, 0, flow.stream_id, data[begin : begin + frames.MAX_FRAME]))
            begin += frames.MAX_FRAME
        flagged = end is not None and not end
        if flagged or size > begin:
            piece = data[begin:] if begin else data
            self.write(frames.frame(frames.DATA, frames.END_STREAM if flagged else 0, flow.stream_id, piece))
        if end:
            self.write(frames.headers(flow.stream_id, self._trailers_block(end), end_stream=True))
        if size > frames.MAX_FRAME:
            self._flush()  # now, so that a reader that is slower than the loop's turn pauses the writer

    def _trailers_block(self, trailers: Fields) -> bytes:
        key = tuple(trailers)
        block = self.encoder.remembered.get(key)
        return self.encoder.encode(lowered(trailers), key) if block is None else block

    def _send_pending(self) -> None:
        """The peer has opened a window: the streams that wait for it send a frame each, in turn."""
        waiting = list(self._blocked.values())
        while waiting:
            waiting = [flow for flow in waiting if self._send_part(flow)]
        self.held_back_changed()

    def _hold_back(self, flow: Flow, pieces: list[bytes], end: Fields | None) -> None:
        flow.pending += pieces
        flow.end = end
        self.held_back += sum(map(len, pieces))
        self.held_back_changed()

    def _send_part(self, flow: Flow) -> bool:
        """Send one frame of what waits; whether there may be another one."""
        room = min(flow.send_window, self._send_window, frames.MAX_FRAME)
        if room <= 0 or not flow.pending:
            return False
        self.stalls.moved(flow)
        piece, freed = flow.next_piece(room)
        self.held_back -= freed
        if flow.pending:
            self._send_within(flow, piece, None)
            self._idle_frames += _IDLE_FRAMES_ALLOWED
            self._count_small_update(len(piece))
            return True
        del self._blocked[flow.stream_id]
        end, flow.end = flow.end, None
        self._send_within(flow, piece, end)
        self.unblocked(flow.stream_id)
        return False

    def _acknowledge(self, size: int) -> None:
        self._unacknowledged += size
        if self._unacknowledged > CONNECTION_WINDOW // 2:
            self._receive_window += self._unacknowledged
            self.write(frames.window_update(0, self._unacknowledged))
            self._unacknowledged = 0

    def _read(self, data: bytes) -> None:
        at, size = 0, len(data)
        while size - at >= frames.HEADER_SIZE:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            if length > frames.MAX_FRAME:
                raise Http2Error(frames.FRAME_SIZE_ERROR, "a frame is too large")
            begin = at + frames.HEADER_SIZE
            if begin + length > size:
                break
            stream_id = frames.read_long(data, at + 5) & frames.MAX_STREAM_ID
            self._frame(data[at + 3], data[at + 4], stream_id, data[begin : begin + length])
            at = begin + length
        self._rest = data[at:] if at else data

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block.is_open and kind != frames.CONTINUATION:
            raise Http2Error(frames.PROTOCOL_ERROR, "a header block is interrupted")
        if not self._settings_came and kind != frames.SETTINGS:
            raise Http2Error(frames.PROTOCOL_ERROR, "SETTINGS comes first")
        try:
            if kind == frames.DATA:
                self._data(flags, stream_id, payload)
            elif kind == frames.HEADERS:
                self._headers_came(self._block.begin(flags, stream_id, payload))
            elif kind == frames.WINDOW_UPDATE:
                self._window_update(stream_id, payload)
            elif kind == frames.CONTINUATION:
                self._headers_came(self._block.go_on(flags, stream_id, payload))
            elif kind == frames.RST_STREAM:
                self._reset(stream_id, payload)
            else:
                self._rare(kind, flags, stream_id, payload)
        except StreamError as error:
            self.stream_failed(stream_id, error.code)

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id:
            raise Http2Error(frames.PROTOCOL_ERROR, "DATA outside a stream")
        size = len(payload)
        self._receive_window -= size
        if self._receive_window < 0:
            raise Http2Error(frames.FLOW_CONTROL_ERROR, "the connection's window is exceeded")
        end_stream = bool(flags & frames.END_STREAM)
        if size > 0:
            self._idle_frames -= _IDLE_FRAMES_ALLOWED
        elif not end_stream:
            self._count_idle_frame()
        data = frames.without_padding(payload, flags) if flags & frames.PADDED else payload
        flow = self.flow_of(stream_id)
        if flow is None or not self._streams_share_window:
            self._acknowledge(size)
        if flow is None:  # it was reset a moment ago
            return
        flow.held += size
        flow.receive_window -= size
        if flow.receive_window < 0:
            raise StreamError(frames.FLOW_CONTROL_ERROR, "the stream's window is exceeded")
        self.data_came(stream_id, data, end_stream)

    def _headers_came(self, block: bytes | None) -> None:
        if block is not None:
            self._idle_frames -= _IDLE_FRAMES_ALLOWED
            self.headers_came(self._block.stream_id, block, self._block.end_stream)

    def _window_update(self, stream_id: int, payload: bytes) -> None:
        frames.check_size("WINDOW_UPDATE", payload, 4)
        increment = frames.read_long(payload, 0) & frames.MAX_WINDOW
        if not stream_id:
            if not increment:
                raise Http2Error(frames.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            self._send_window += increment
            if self._send_window > frames.MAX_WINDOW:
                raise Http2Error(frames.FLOW_CONTROL_ERROR, "the window is too large")
        else:
            flow = self.flow_of(stream_id)
            if flow is None:
                self._count_idle_frame()
                return
            if not increment:
                raise StreamError(frames.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            if not flow.open_send_window(increment):
                raise StreamError(frames.FLOW_CONTROL_ERROR, "the window is too large")
        if self._blocked:
            self._send_pending()
        else:
            self._count_small_update(increment)

    def _reset(self, stream_id: int, payload: bytes) -> None:
        frames.check_size("RST_STREAM", payload, 4)
        if not stream_id:
            raise Http2Error(frames.PROTOCOL_ERROR, "RST_STREAM outside a stream")
        if self.flow_of(stream_id) is not None:
            self.reset_came(stream_id, frames.read_long(payload, 0))
        else:
            self._count_idle_frame()

    def _rare(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind in (frames.SETTINGS, frames.PING, frames.GOAWAY) and stream_id:
            raise Http2Error(frames.PROTOCOL_ERROR, "a frame of the connection came in a stream")
        if kind == frames.SETTINGS:
            self._settings(flags, payload)
        elif kind == frames.PING:
            frames.check_size("PING", payload, 8)
            if not flags & frames.ACK:
                self._count_idle_frame()
                self.write(frames.frame(frames.PING, frames.ACK, 0, payload))
            elif payload == CLOSING_PING:
                self.ping_answered()
        elif kind == frames.GOAWAY:
            self.goaway_came(*frames.read_goaway(payload))
        elif kind == frames.PUSH_PROMISE:
            raise Http2Error(frames.PROTOCOL_ERROR, "PUSH_PROMISE was forbidden")
        elif kind == frames.PRIORITY:
            frames.check_priority(stream_id, payload)
            self._count_idle_frame()
        else:
            self._count_idle_frame()  # of an unknown type: ignored (RFC 9113, section 5.5)

    def _settings(self, flags: int, payload: bytes) -> None:
        if flags & frames.ACK:
            if payload:
                raise Http2Error(frames.FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS has no payload")
            return
        self._count_idle_frame()
        for key, value in frames.read_settings(payload):
            if key == frames.SETTINGS_INITIAL_WINDOW_SIZE:
                self._change_initial_window(value)
            elif key == frames.SETTINGS_MAX_CONCURRENT_STREAMS:
                self.peer_max_streams = value
            elif key == frames.SETTINGS_HEADER_TABLE_SIZE:
                self.encoder.set_max_table_size(value)
            elif key == frames.SETTINGS_ENABLE_CONNECT_PROTOCOL:
                self.extended_connect = bool(value)
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        if not self._settings_came:
            self._settings_came = True
            self.settings_came()
        if self._blocked:
            self._send_pending()

    def _change_initial_window(self, size: int) -> None:
        """RFC 9113, section 6.9.2: it holds for the open streams, too, whose windows may become negative."""
        change, self._initial_window = size - self._initial_window, size
        for flow in self.flows():
            if not flow.open_send_window(change):
                raise Http2Error(frames.FLOW_CONTROL_ERROR, "the window is too large")

    def _count_small_update(self, increment: int) -> None:
        """Updates are usual; many tiny ones are work without an end (CVE-2019-9511)."""
        if increment < 64:
            self._count_idle_frame()

    def _count_idle_frame(self) -> None:
        self._idle_frames += 1
        if self._idle_frames > _MAX_IDLE_FRAMES:
            raise Http2Error(frames.ENHANCE_YOUR_CALM, "too many frames that carry nothing")
