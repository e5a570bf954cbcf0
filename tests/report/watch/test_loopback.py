"""The port of the live page: no answer waits for the other side's acknowledgement."""

import asyncio
import socket

from steelyard.report.watch.loopback import listen


def test_what_is_accepted_sends_at_once():
    async def accepted_without_delay() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(meet, sock=(opened := listen(0))):
            _, writer = await asyncio.open_connection(*opened.getsockname())
            delay_off = await asyncio.wait_for(found, 10)
            writer.close()
            return delay_off

    assert asyncio.run(accepted_without_delay()) != 0
