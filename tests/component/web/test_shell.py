"""The frame of every page of the Task Center."""

import time

import pytest
from tests.support.kubectl import Kubectl
from tests.support.web import Web, person

PAGES = ("/tasks", "/t/prod/tune", "/locks", "/new", "/templates", "/help")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_has_the_frame_in_the_readers_language(task_center: Web, kubectl: Kubectl, namespace: str, language: str) -> None:
    """Heading, navigation and who is signed in are on each of them; the document says in which language it is."""
    token = person(kubectl, namespace, "li", "view")
    words = {"en": ("Task Center", "New task", "Sign out"), "zh": ("任务中心", "新建任务", "退出登录")}[language]
    with task_center.signed_in(token, headers={"Accept-Language": language}) as browser:
        for page in PAGES:
            answer = browser.get(page)

            # The task is of a namespace that this visitor sees nothing of.
            assert answer.status_code == (403 if page.startswith("/t/") else 200), page
            assert all(word in answer.text for word in words), page
            assert f"system:serviceaccount:{namespace}:li" in answer.text
            assert f'<html lang="{language}' in answer.text


def test_without_a_visitor_every_page_leads_to_the_login_and_back(task_center: Web) -> None:
    """The address that was asked for is remembered, so that signing in leads there."""
    with task_center.browser() as browser:
        for page in PAGES:
            answer = browser.get(page + "?x=1")

            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/login?reason=first&next=%2F")


def test_language_and_theme_are_remembered(task_center: Web) -> None:
    """A parameter wins over the cookie, and the cookie over what the browser asks for; the theme is set by a form, and leads back."""
    with task_center.browser(headers={"Accept-Language": "fr, zh;q=0.5, en;q=0.4"}) as browser:
        assert '<html lang="zh' in browser.get("/login").text
        assert '<html lang="en' in browser.get("/login?lang=en").text
        assert '<html lang="en' in browser.get("/login?lang=xx").text
        answer = browser.post("/preferences", data={"theme": "dark", "next": "//elsewhere.example/"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
        assert 'data-theme="dark"' in browser.get("/login").text


def test_the_end_of_an_answer_does_not_wait_for_its_beginning_to_be_acknowledged(task_center: Web) -> None:
    """That would take 40 ms for each answer on a connection that has carried some: here the quickest of many takes much less."""
    times = []
    with task_center.browser() as browser:
        for _ in range(60):
            began = time.monotonic()
            browser.get("/healthz")
            times.append(time.monotonic() - began)

    assert min(times[-20:]) < 0.03
