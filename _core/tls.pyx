"""TLS to a provider: between the loop's plain transport and the connection, which takes it for its transport.

OpenSSL is reached by CPython's own `ssl` and memory buffers. What a callback encrypts is sent in that callback, and a
read that would find nothing is not tried: for the loop's TLS each of the two costs more than the cipher. A connection
that ends without close_notify is told as lost, never as an end.
"""
cimport cython

from edgeproxy._core.direct cimport direct_fd, put_bytes

from ssl import MemoryBIO, SSLError, SSLWantReadError

cdef Py_ssize_t RECORD = 16 * 1024   # the most that one record holds (RFC 8446 section 5.1)
cdef Py_ssize_t SLICE = 256 * 1024   # is encrypted at a time


@cython.final
cdef class TlsTransport:
    def __cinit__(self, protocol, context, str host, session, shaken):
        self.protocol = protocol
        self.shaken = shaken
        self.incoming = MemoryBIO()
        self.outgoing = MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host, session=session)
        engine = getattr(self.tls, "_sslobj", self.tls)  # past the methods in Python that add nothing
        self.read_record, self.write_plain = engine.read, engine.write
        self.take_in, self.take_out = self.incoming.write, self.outgoing.read

    @property
    def session(self):
        """What the next connection to the same host may resume; None where the server gave nothing."""
        return self.tls.session

    @property
    def is_resumed(self):
        return self.tls.session_reused

    @property
    def version(self):
        return self.tls.version()

    @property
    def application_protocol(self):
        return self.tls.selected_alpn_protocol()

    # --- asyncio.Transport, as far as the connection uses it ---------------------------------------------------

    def write(self, data):
        if self.transport is None or self.shaken is not None:
            return
        cdef Py_ssize_t at, size = len(data)
        try:
            if size <= SLICE:
                self.encrypt(data)
            else:
                view = memoryview(data)
                for at in range(0, size, SLICE):
                    self.encrypt(view[at:at + SLICE])
        except SSLError as error:
            self.fail(error)

    def writelines(self, parts):
        for part in parts:
            self.write(part)

    def get_write_buffer_size(self):
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def pause_reading(self):
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self):
        if self.transport is not None:
            self.transport.resume_reading()

    def is_closing(self):
        return self.transport is None or self.transport.is_closing()

    def abort(self):
        if self.transport is not None:
            self.transport.abort()

    def get_extra_info(self, name, default=None):
        if name == "sslcontext":
            return self.tls.context
        return default if self.transport is None else self.transport.get_extra_info(name, default)

    # --- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport):
        self.transport = transport
        self.fd = direct_fd(transport)
        self.shake()

    def data_received(self, bytes data):
        self.take_in(data)
        if self.shaken is None or (self.shake() and self.incoming.pending):
            self.deliver()

    def eof_received(self):
        self.abort()  # a close_notify would have come first
        return False

    def connection_lost(self, exc):
        protocol, self.protocol = self.protocol, None
        if self.shaken is not None:
            self.tell(exc or ConnectionResetError("closed during the handshake"))
        elif protocol is not None:
            protocol.connection_lost(exc or self.error)
        self.transport = self.read_record = self.write_plain = None

    def pause_writing(self):
        pass

    def resume_writing(self):
        pass

    # --- records -----------------------------------------------------------------------------------------------

    cdef bint shake(self) except -1:
        """Go on with the handshake; True once it is over and the connection has been told."""
        try:
            self.tls.do_handshake()
        except SSLWantReadError:
            self.flush()
            return False
        except SSLError as error:
            self.flush()  # the alert that tells the other side
            self.protocol = None
            self.tell(error)
            self.abort()
            return False
        self.flush()
        self.tell(None)
        self.protocol.connection_made(self)
        return True

    cdef int tell(self, error) except -1:
        if error is not None:
            error.__traceback__ = None  # it holds the frames that it passed, and they hold everything
        shaken, self.shaken = self.shaken, None
        if not shaken.done():
            shaken.set_result(error)
        return 0

    cdef int deliver(self) except -1:
        """All whole records that have come, in one piece."""
        cdef bytes plain = b"", record
        cdef list records = None
        cdef bint has_ended = False
        try:
            while True:
                record = self.read_record(RECORD)
                if not record:
                    has_ended = True
                    break
                if not plain:
                    plain = record
                elif records is None:
                    records = [plain, record]
                else:
                    records.append(record)
                if not self.incoming.pending:  # a whole record was read, so OpenSSL has nothing left either
                    break
        except SSLWantReadError:
            pass  # part of a record, or one without data
        except SSLError as error:
            error.__traceback__ = None
            self.error = error
        if records is not None:
            plain = b"".join(records)
        if plain:
            self.protocol.data_received(plain)
        if self.error is not None:
            self.abort()
        elif has_ended and not self.is_closing():
            self.protocol.eof_received()
            self.transport.close()
        return 0

    cdef int encrypt(self, data) except -1:
        self.write_plain(data)
        return self.flush()

    cdef int flush(self) except -1:
        cdef bytes data = self.take_out()
        if data:
            put_bytes(self.transport, self.fd, data)
        return 0

    cdef int fail(self, error) except -1:
        error.__traceback__ = None
        self.error = error
        self.abort()
        return 0
