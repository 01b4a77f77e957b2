<?xml version="1.0" encoding="UTF-8"?>

<!-- A listing from XML to JSON, for the front "xslt_filter". -->

<xsl:stylesheet version="1.0"
    xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:s="http://awss3control.amazonaws.com/doc/2018-08-20/">

  <xsl:output method="text" encoding="UTF-8" media-type="application/json"/>
  <xsl:strip-space elements="*"/>

  <xsl:template match="/s:ListJobsResult">
    <xsl:text>{"Jobs":[</xsl:text>
    <xsl:for-each select="s:Jobs/*">
      <xsl:if test="position() > 1">,</xsl:if>
      <xsl:call-template name="object"/>
    </xsl:for-each>
    <xsl:text>]</xsl:text>
    <xsl:for-each select="s:NextToken">
      <xsl:text>,</xsl:text>
      <xsl:call-template name="pair"/>
    </xsl:for-each>
    <xsl:text>}</xsl:text>
  </xsl:template>

  <xsl:template name="object">
    <xsl:text>{</xsl:text>
    <xsl:for-each select="*">
      <xsl:if test="position() > 1">,</xsl:if>
      <xsl:call-template name="pair"/>
    </xsl:for-each>
    <xsl:text>}</xsl:text>
  </xsl:template>

  <xsl:template name="pair">
    <xsl:text>"</xsl:text>
    <xsl:value-of select="local-name()"/>
    <xsl:text>":</xsl:text>
    <xsl:choose>
      <xsl:when test="*">
        <xsl:call-template name="object"/>
      </xsl:when>
      <xsl:when test="self::s:Priority or self::s:TotalNumberOfTasks
                      or self::s:NumberOfTasksSucceeded
                      or self::s:NumberOfTasksFailed
                      or self::s:ElapsedTimeInActiveSeconds">
        <xsl:value-of select="."/>
      </xsl:when>
      <xsl:otherwise>
        <xsl:text>"</xsl:text>
        <xsl:call-template name="escape">
          <xsl:with-param name="rest" select="string(.)"/>
        </xsl:call-template>
        <xsl:text>"</xsl:text>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- quotes and backslashes; the documents have no control characters -->

  <xsl:template name="escape">
    <xsl:param name="rest"/>
    <xsl:choose>
      <xsl:when test="contains($rest, '\')">
        <xsl:call-template name="quotes">
          <xsl:with-param name="rest" select="substring-before($rest, '\')"/>
        </xsl:call-template>
        <xsl:text>\\</xsl:text>
        <xsl:call-template name="escape">
          <xsl:with-param name="rest" select="substring-after($rest, '\')"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise>
        <xsl:call-template name="quotes">
          <xsl:with-param name="rest" select="$rest"/>
        </xsl:call-template>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="quotes">
    <xsl:param name="rest"/>
    <xsl:choose>
      <xsl:when test="contains($rest, '&quot;')">
        <xsl:value-of select="substring-before($rest, '&quot;')"/>
        <xsl:text>\"</xsl:text>
        <xsl:call-template name="quotes">
          <xsl:with-param name="rest" select="substring-after($rest, '&quot;')"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise>
        <xsl:value-of select="$rest"/>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

</xsl:stylesheet>
