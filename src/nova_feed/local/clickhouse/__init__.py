"""The embedded ClickHouse: chdb in one process of ours, behind ClickHouse's own HTTP protocol.

The rest of the product talks to it with ``clickhouse-connect``, as it would to a server or a cluster. A request's way:

    server     one HTTP request: who asks, what is asked, run it, answer
    access     who may ask
    request    URL, headers and form -> query, parameters, settings
    body       the body: its head in memory, an INSERT's data in a file      encoding   Content-Encoding undone
    statement  what a statement needs, and where its data start         lexer      SQL bytes -> tokens
    insert     an INSERT that reads its data from that file
    engine     the engine of this process                               pool       a thread per connection, a queue
    connection one chdb connection that forgets every request           state      its settings, from one to the next
    parts      what a stop in the middle of a merge leaves              views      what a full disk leaves
    answers    a result's headers                                       errors     ClickHouse's codes -> HTTP status
"""
