#include "io/checkpoint/internal.h"

#include "comm/memory.h"

#include <stdio.h>
#include <string.h>

void packet_free(struct packet *packet)
{
    if (!packet)
        return;
    memory_free(packet->data);
    memory_free(packet);
}

void queue_init(struct queue *queue, size_t limit)
{
    memset(queue, 0, sizeof *queue);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    queue->last = &queue->first;
    queue->limit = limit;
}

static struct packet *take(struct queue *queue)
{
    struct packet *packet = queue->first;
    if (!packet)
        return NULL;
    queue->first = packet->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->bytes -= packet->bytes;
    pthread_cond_broadcast(&queue->changed);
    return packet;
}

static void put(struct queue *queue, struct packet *packet)
{
    packet->next = NULL;
    *queue->last = packet;
    queue->last = &packet->next;
    queue->bytes += packet->bytes;
    pthread_cond_broadcast(&queue->changed);
}

void queue_release(struct queue *queue)
{
    for (struct packet *packet; (packet = take(queue));)
        packet_free(packet);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
}

static bool has_room(const struct queue *queue, const struct packet *packet)
{
    return !queue->first || queue->bytes + packet->bytes <= queue->limit;
}

bool queue_push(struct queue *queue, struct packet *packet)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->failed == STATUS_OK && !has_room(queue, packet))
        pthread_cond_wait(&queue->changed, &queue->lock);
    bool wanted = queue->failed == STATUS_OK;
    if (wanted)
        put(queue, packet);
    pthread_mutex_unlock(&queue->lock);
    if (!wanted)
        packet_free(packet);
    return wanted;
}

bool queue_offer(struct queue *queue, struct packet *packet)
{
    pthread_mutex_lock(&queue->lock);
    bool room = has_room(queue, packet);
    if (room)
        put(queue, packet);
    pthread_mutex_unlock(&queue->lock);
    return room;
}

struct packet *queue_pop(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (!queue->first && !queue->ended)
        pthread_cond_wait(&queue->changed, &queue->lock);
    struct packet *packet = queue->failed == STATUS_OK ? take(queue) : NULL;
    pthread_mutex_unlock(&queue->lock);
    return packet;
}

struct packet *queue_poll(struct queue *queue, bool *ended)
{
    pthread_mutex_lock(&queue->lock);
    struct packet *packet = take(queue);
    *ended = !packet && queue->ended;
    pthread_mutex_unlock(&queue->lock);
    return packet;
}

void queue_end(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->ended = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

void queue_fail(struct queue *queue, enum status status)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->failed == STATUS_OK) {
        queue->failed = status;
        snprintf(queue->reason, sizeof queue->reason, "%s", status_message());
    }
    queue->ended = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

enum status queue_status(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    enum status status = queue->failed;
    if (status != STATUS_OK)
        status_fail(status, "%s", queue->reason);
    pthread_mutex_unlock(&queue->lock);
    return status;
}
